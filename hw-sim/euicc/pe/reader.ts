// Reads an unprotected profile package (UPP): the profile elements one after the other, checked as an eUICC checks them (TCA §8, §9),
// into a profile with its files, codes, keys and applications.
import { swappedBcdToDigits, toHex } from "../../../base/bytes.ts";
import { isCode } from "../../../base/errors.ts";
import { decode, type Infer } from "../../../ipa/asn1/schema.ts";
import { childrenOf, contentOf, rawOf, readTlvs, type Tlv, tagName } from "../../../ipa/asn1/tlv.ts";
import type { PE_Application, PE_RFM, PE_SecurityDomain } from "./application-elements.ts";
import type { PE_AKAParameter, PE_PINCodes, PINConfiguration, PUKConfiguration } from "./code-elements.ts";
import { type ProfileHeader, type ServiceName, serviceNames } from "./common.ts";
import { PEProcessingError } from "./errors.ts";
import type { FilesElement } from "./file-elements.ts";
import { FileMaker, type Refuse } from "./file-maker.ts";
import { type Directory, type FileSystem, findFile, sizeOf } from "./file-system.ts";
import { type PEStatus, type PeStatusCode, ProfileElement, type ProfileElementKind } from "./profile-element.ts";
import { fileElements, supportsPackage, supportsService, unsupportedElements } from "./support.ts";
import { templates } from "./templates.ts";

export interface Profile {
  readonly header: ProfileHeader;
  readonly files: FileSystem;
  readonly pins: readonly { readonly directory: Directory; readonly pin: PINConfiguration }[];
  readonly puks: readonly PUKConfiguration[];
  readonly aka: readonly { readonly application: Directory; readonly parameters: PE_AKAParameter }[];
  readonly securityDomains: readonly PE_SecurityDomain[];
  readonly remoteFileManagement: readonly PE_RFM[];
  readonly applications: readonly PE_Application[];
  /** Elements passed over because they are not supported and not mandated. */
  readonly warnings: readonly PEStatus[];
  /** What it takes of the card's memory. */
  readonly sizeBytes: number;
}

/** Throws PEProcessingError at the first element that an eUICC would stop at. */
export function readProfile(upp: Uint8Array): Profile {
  const reading = new Reading();
  const elements = splitElements(upp);
  for (const [index, tlv] of elements.entries()) reading.element(tlv, index, index === elements.length - 1);
  return reading.finish();
}

/** The digits in EF.ICCID. */
export function iccidOf(files: FileSystem): string | undefined {
  const file = findFile(files, "2FE2");
  return file?.kind === "ef" ? swappedBcdToDigits(file.data.bytes) : undefined;
}

/** The digits in EF.IMSI of the first USIM (3GPP TS 31.102 §4.2.2). */
export function imsiOf(files: FileSystem): string | undefined {
  const file = findFile(files, "7FFF/6F07");
  if (file?.kind !== "ef") return undefined;
  const [length = 0] = file.data.bytes;
  if (length < 1 || length > 8) return undefined;
  return swappedBcdToDigits(file.data.bytes.subarray(1, 1 + length)).slice(1);
}

class Reading {
  #header: ProfileHeader | undefined;
  #ended = false;
  #element: { readonly kind: string; readonly identification: number | undefined } = { kind: "", identification: undefined };
  readonly #maker = new FileMaker();
  /** What PIN codes that follow belong to. */
  #directory: Directory | undefined;
  readonly #application: { usim?: Directory; isim?: Directory; csim?: Directory; last?: Directory } = {};
  readonly #pins: { directory: Directory; pin: PINConfiguration }[] = [];
  readonly #puks: PUKConfiguration[] = [];
  readonly #aka: { application: Directory; parameters: PE_AKAParameter }[] = [];
  readonly #securityDomains: PE_SecurityDomain[] = [];
  readonly #rfm: PE_RFM[] = [];
  readonly #applications: PE_Application[] = [];
  readonly #warnings: PEStatus[] = [];
  #applicationBytes = 0;

  readonly #refuse: Refuse = (status, detail) => {
    throw new PEProcessingError(status, `${this.#element.kind}: ${detail}`, this.#element.identification);
  };

  element(tlv: Tlv, index: number, isLast: boolean): void {
    const kind = kindOf(tlv.tag);
    const head = kind === "header" ? undefined : headOf(tlv);
    this.#element = { kind: kind ?? `element ${tagName(tlv.tag)}`, identification: head?.identification };
    if ((index === 0) !== (kind === "header")) this.#refuse("invalid-request-format", "the profile header comes first, once");
    if ((kind === "end") !== isLast) this.#refuse("invalid-request-format", "the profile ends with the element end");
    if (kind === undefined || unsupportedElements.has(kind)) {
      this.#passOver("pe-not-supported", head?.mandated ?? false);
      return;
    }
    this.#read(decodeElement(tlv, this.#refuse), tlv, head?.mandated ?? false);
  }

  finish(): Profile {
    const { mf, adfs } = this.#maker;
    if (this.#header === undefined || !this.#ended) this.#refuse("invalid-request-format", "header or end is missing");
    if (mf === undefined || this.#header === undefined) this.#refuse("invalid-request-format", "there is no MF");
    return {
      header: this.#header,
      files: { mf, adfs },
      pins: this.#pins,
      puks: this.#puks,
      aka: this.#aka,
      securityDomains: this.#securityDomains,
      remoteFileManagement: this.#rfm,
      applications: this.#applications,
      warnings: this.#warnings,
      sizeBytes: sizeOf(mf) + this.#applicationBytes,
    };
  }

  #read(element: ProfileElement, tlv: Tlv, mandated: boolean): void {
    switch (element.kind) {
      case "header":
        this.#checkHeader(element.value);
        this.#header = element.value;
        break;
      case "genericFileManagement":
        this.#maker.manage(element.value.fileManagementCMD, this.#refuse);
        break;
      case "pukCodes":
        for (const puk of element.value.pukCodes) {
          if (this.#puks.some((known) => known.keyReference === puk.keyReference))
            this.#refuse("bad-values", `PUK ${puk.keyReference} twice`);
          this.#puks.push(puk);
        }
        break;
      case "pinCodes":
        this.#pinCodes(element.value);
        break;
      case "akaParameter":
        this.#akaParameter(element.value);
        break;
      case "securityDomain":
        this.#securityDomains.push(element.value);
        this.#applicationBytes += tlv.end - tlv.start;
        break;
      case "rfm":
      case "application":
        if (this.#securityDomains.length === 0) this.#refuse("invalid-request-format", "there is no security domain yet");
        if (element.kind === "rfm") this.#rfm.push(element.value);
        else this.#applications.push(element.value);
        this.#applicationBytes += tlv.end - tlv.start;
        break;
      case "end":
        this.#ended = true;
        break;
      case "cdmaParameter":
        // CAVE keys are kept with the package; no virtual network asks for them.
        if (this.#application.csim === undefined) this.#refuse("invalid-request-format", "there is no CSIM that it could authenticate");
        break;
      case "nonStandard":
        break;
      default:
        this.#makeFiles(element.kind, element.value, mandated);
    }
  }

  #checkHeader(header: ProfileHeader): void {
    const major = Number(header["major-version"]);
    if (major < 1 || major > 3) this.#refuse("unsupported-profile-version", `version ${major}.${header["minor-version"]}`);
    if (header.iotOptions !== undefined) this.#refuse("feature-not-supported", "IoT minimal profile");
    const services = header["eUICC-Mandatory-services"];
    const missing = serviceNames.filter((name) => services[name] !== undefined && !supportsService(name));
    const runtimes: readonly ServiceName[] = ["javacard", "multos"];
    for (const name of missing) this.#refuse(runtimes.includes(name) ? "runtime-not-supported" : "feature-not-supported", name);
    for (const template of header["eUICC-Mandatory-GFSTEList"])
      if (!templates.has(template)) this.#refuse("template-not-supported", template);
    for (const { aid } of header["eUICC-Mandatory-AIDs"] ?? []) if (!supportsPackage(aid)) this.#refuse("lib-not-supported", toHex(aid));
  }

  #makeFiles(kind: ProfileElementKind, element: FilesElement, mandated: boolean): void {
    const row = fileElements[kind];
    const template = templates.get(element.templateID);
    const isOfFamily = row !== undefined && (element.templateID === row.template || element.templateID.startsWith(`${row.template}.`));
    if (row === undefined || template === undefined || !isOfFamily) {
      this.#passOver("template-not-supported", mandated);
      return;
    }
    const bases = { none: undefined, mf: this.#maker.mf, usim: undefined, isim: undefined, csim: undefined, last: undefined };
    const base = { ...bases, ...this.#application }[row.base];
    if (row.base !== "none" && base === undefined) this.#refuse("invalid-request-format", `it comes before ${row.base}`);
    const directory = this.#maker.makeTemplate(template, element.files, base, this.#refuse);
    if (kind === "usim" || kind === "isim" || kind === "csim") {
      this.#application[kind] = directory;
      this.#application.last = directory;
    }
    this.#directory = directory;
  }

  #pinCodes({ pinCodes }: Infer<typeof PE_PINCodes>): void {
    const directory = this.#directory;
    if (directory === undefined) this.#refuse("invalid-request-format", "there is no directory that they could protect");
    if (pinCodes.kind === "filePath") {
      const shared = this.#maker.directoryAt(pinCodes.value, this.#refuse);
      const pins = this.#pins.filter((known) => known.directory === shared);
      if (pins.length === 0) this.#refuse("pin-code-missing", "the directory they are shared with has none");
      this.#pins.push(...pins.map(({ pin }) => ({ directory, pin })));
      return;
    }
    for (const pin of pinCodes.value) {
      const puk = pin.unblockingPINReference;
      if (puk !== undefined && !this.#puks.some((known) => known.keyReference === puk))
        this.#refuse("bad-values", `PIN ${pin.keyReference} is unblocked by ${puk}, which is not there`);
      if (this.#pins.some((known) => known.directory === directory && known.pin.keyReference === pin.keyReference))
        this.#refuse("bad-values", `PIN ${pin.keyReference} twice`);
      this.#pins.push({ directory, pin });
    }
  }

  #akaParameter(parameters: PE_AKAParameter): void {
    const application = this.#application.last;
    if (application === undefined) this.#refuse("invalid-request-format", "there is no application that it could authenticate");
    const { algoConfiguration, sqnInit } = parameters;
    if (sqnInit.length !== 32) this.#refuse("bad-values", `${sqnInit.length} sequence numbers`);
    if (algoConfiguration.kind === "mappingParameter") {
      const source = toHex(algoConfiguration.value.mappingSource);
      if (!this.#aka.some((known) => known.application.aid !== undefined && toHex(known.application.aid) === source))
        this.#refuse("bad-values", `no key to map from ${source}`);
    } else {
      const { algorithmID, key, opc } = algoConfiguration.value;
      const sizes = {
        milenage: { keys: [16], opc: 16 },
        tuak: { keys: [16, 32], opc: 32 },
        "usim-test-algorithm": { keys: [16], opc: undefined },
      };
      const size = typeof algorithmID === "string" ? sizes[algorithmID] : undefined;
      if (size === undefined) this.#refuse("invalid-parameter", `algorithm ${algorithmID}`);
      if (!size.keys.includes(key.length) || (size.opc !== undefined && opc.length !== size.opc))
        this.#refuse("bad-values", `${algorithmID} with a key of ${key.length} octets and an OPc of ${opc.length}`);
    }
    this.#aka.push({ application, parameters });
  }

  /** An element that cannot be used stops the installation only where the profile says that it must be. */
  #passOver(status: PeStatusCode, mandated: boolean): void {
    if (mandated) this.#refuse(status, "it is mandated");
    this.#warnings.push({ status, identification: this.#element.identification });
  }
}

function splitElements(upp: Uint8Array): Tlv[] {
  try {
    return readTlvs(upp);
  } catch (error) {
    throw new PEProcessingError("invalid-request-format", "the package is no row of profile elements", undefined, error);
  }
}

function decodeElement(tlv: Tlv, refuse: Refuse): ProfileElement {
  try {
    return decode(ProfileElement, rawOf(tlv));
  } catch (error) {
    if (!isCode(error, "ASN1_VALUE", "ASN1_TAG", "ASN1_MISSING", "ASN1_LENGTH", "ASN1_TRUNCATED", "ASN1_TRAILING")) throw error;
    return refuse(error.code === "ASN1_VALUE" ? "bad-values" : "invalid-request-format", error.message);
  }
}

const kindsByTag = elementKinds();

function kindOf(tag: number): ProfileElementKind | undefined {
  return kindsByTag.get(tag);
}

function elementKinds(): ReadonlyMap<number, ProfileElementKind> {
  if (ProfileElement.shape.kind !== "choice") return new Map();
  const alternatives = Object.entries(ProfileElement.shape.alternatives);
  return new Map(
    alternatives.flatMap(([kind, type]) => type.tags.map((tag): [number, ProfileElementKind] => [tag, kind as ProfileElementKind])),
  );
}

/** PEHeader, the first part of every element but the profile header; read leniently, so that a damaged element can still be named. */
function headOf(tlv: Tlv): { readonly mandated: boolean; readonly identification: number | undefined } | undefined {
  try {
    const head = childrenOf(tlv).find((child) => child.tag === 0xa0);
    if (head === undefined) return undefined;
    const parts = childrenOf(head);
    const number = parts.find((part) => part.tag === 0x81);
    return {
      mandated: parts.some((part) => part.tag === 0x80),
      identification: number === undefined ? undefined : contentOf(number).reduce((sum, octet) => sum * 256 + octet, 0) % 0x8000,
    };
  } catch {
    return undefined;
  }
}
