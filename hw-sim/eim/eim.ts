// The virtual eIM put together: core, servers for ESipa, order API, certificates. Several may run in one process, each with its own keys and counters.
import type { Clock } from "../../base/clock.ts";
import { type Random, systemRandom } from "../../base/random.ts";
import { openDtls } from "../../transports/dtls/dtls.ts";
import type { Dtls } from "../../transports/dtls/types.ts";
import { type HttpServer, startHttpServer } from "../http/server.ts";
import { createPki, type Identity, type Pki } from "../pki/pki.ts";
import { spkiOf } from "../pki/x509.ts";
import { answerApi, type FaultTargets, orderView } from "./api.ts";
import { EimCore, type EsipaAnswer, type Reserve } from "./core.ts";
import { createEs9Client } from "./es9-client.ts";
import type { Euicc, EuiccSettings, StoredItem } from "./euiccs.ts";
import type { EimEvent } from "./events.ts";
import { applyEimFaults, defaultEimFaults, type EimFaults, type TlsCertificateKind } from "./faults.ts";
import type { Es9Post } from "./forwarding.ts";
import { type InjectionTarget, type Injector, type InjectRequest, openInjector } from "./inject.ts";
import { type ConfigurationOptions, configurationData } from "./packages.ts";
import { render } from "./render.ts";
import { type EsipaServers, startEsipaServers } from "./servers.ts";
import type { EsipaVersion } from "./version-1.0.ts";

export interface EimOptions {
  readonly clock: Clock;
  /** Transaction ids; keys always come from the system. */
  readonly random?: Random;
  /** The world it lives in: its CI is the anchor of eUICCs and SM-DP+s. */
  readonly pki: Pki;
  /** pki's own by default; another id gets certificates of its own from the same CI. */
  readonly eimId?: string;
  /** More CIs under which eUICCs may be, DER. */
  readonly otherCis?: readonly Uint8Array[];
  /** 127.0.0.1 by default. */
  readonly host?: string;
  /** Of ESipa, UDP and TCP; the system's choice by default. */
  readonly port?: number;
  readonly apiPort?: number;
  /** The name in EimConfigurationData before the port; localhost by default. */
  readonly fqdn?: string;
  readonly euiccs?: readonly EuiccSettings[];
  /** How it reaches SM-DP+s: HTTPS by default; `smdp.handle` in process. */
  readonly post?: Es9Post;
  readonly knowsEveryEid?: boolean;
  /** Policy rules that profiles may have, where the IPA leaves that to the eIM (eimProfileMetadataVerification). */
  readonly allowedPolicyRules?: readonly string[];
  /** Takes part in minimizeEsipaBytes with IPAs that announce it; it does by default. */
  readonly compactForms?: boolean;
  /** Of SGP.32, on ESipa: 1.0 knows nothing of 1.2's forms, and no JSON. 1.2 by default. */
  readonly esipaVersion?: EsipaVersion;
  /** How the operator makes a profile wait at SM-DS or default SM-DP+; orders cannot ask for it without. */
  readonly reserve?: Reserve;
  readonly faults?: Partial<EimFaults>;
  /** Others that POST /v1/faults can address. */
  readonly faultTargets?: FaultTargets;
  readonly dtls?: Dtls;
  /** How it gets to a vehicle that takes injections: CoAPs and HTTPS by default. */
  readonly openInjector?: (target: InjectionTarget, request: InjectRequest) => Promise<Injector>;
  readonly coapCode?: "2.04" | "2.05";
  readonly coapBlockBytes?: number;
}

export interface EimAddresses {
  readonly id: string;
  /** "coaps://localhost:1234" */
  readonly coaps: string;
  /** "https://localhost:1234" */
  readonly https: string;
  /** "http://127.0.0.1:1235", to which /v1/orders is appended. */
  readonly api: string;
  /** eimFqdn: "localhost:1234". */
  readonly fqdn: string;
  readonly port: number;
}

export interface Eim {
  readonly eimId: string;
  start(): Promise<EimAddresses>;
  stop(): Promise<void>;
  /** One ESipa message of the ASN.1 binding, without transport. */
  handle(message: Uint8Array): Promise<EsipaAnswer>;
  /** An order as the API takes it; answers its orderId. Throws SIM_REQUEST. */
  addOrder(order: unknown): string;
  /** As the API shows it. Throws nothing; undefined when there is none. */
  order(orderId: string): Readonly<Record<string, unknown>> | undefined;
  setEuicc(settings: EuiccSettings): Euicc;
  readonly euiccs: readonly Euicc[];
  /** Verified package results, each once: kind, seqNumber, counterValue, commands. */
  results(eid?: string): readonly StoredItem["view"][];
  notifications(eid?: string): readonly StoredItem["view"][];
  /** EimConfigurationData, DER, for the eUICC that is to obey it; complete once it has started, as it names the port. */
  configurationData(options?: ConfigurationOptions): Uint8Array;
  onEvent(listener: (event: EimEvent) => void): () => void;
  readonly faults: EimFaults;
  /** As JSON has them; a change of certificate restarts the listeners. Throws SIM_REQUEST. */
  applyFaults(settings: unknown): Promise<void>;
}

export function createEim(options: EimOptions): Eim {
  const { clock, pki, random = systemRandom, host = "127.0.0.1", fqdn = "localhost" } = options;
  const eimId = options.eimId ?? pki.subjects.eimId;
  const isPkis = eimId === pki.subjects.eimId;
  const signing = isPkis ? pki.get("eimsign") : pki.issue("eimsign", { eimId });
  const tls = isPkis ? pki.get("eimtls") : pki.issue("eimtls", { eimId });
  const deviant = new Map<TlsCertificateKind, Identity>([["own", tls]]);
  const dtls = options.dtls ?? openDtls();
  const certificateOf = (kind: TlsCertificateKind): Identity => {
    const made = deviant.get(kind) ?? deviantTls(kind, pki, eimId, clock);
    deviant.set(kind, made);
    return made;
  };
  const faults: EimFaults = { ...defaultEimFaults(), ...options.faults };
  const core = new EimCore({
    eimId,
    clock,
    random,
    signing,
    anchors: [pki.get("ci").certificate, ...(options.otherCis ?? [])],
    faults,
    openInjector:
      options.openInjector ??
      ((target, { scheme, certificate, encoding }) =>
        openInjector({
          scheme,
          encoding,
          target,
          identity: certificate === "none" ? undefined : certificateOf(certificate),
          dtls,
          clock,
          random,
        })),
    post: options.post ?? createEs9Client({ clock, caPem: [pki.get("ci").certificatePem] }),
    ...(options.allowedPolicyRules === undefined ? {} : { allowedPolicyRules: options.allowedPolicyRules }),
    ...(options.esipaVersion === undefined ? {} : { esipaVersion: options.esipaVersion }),
    ...(options.reserve === undefined ? {} : { reserve: options.reserve }),
    ...(options.compactForms === undefined ? {} : { compactForms: options.compactForms }),
    ...(options.knowsEveryEid === undefined ? {} : { knowsEveryEid: options.knowsEveryEid }),
  });
  for (const settings of options.euiccs ?? []) core.setEuicc(settings);

  const tlsIdentity = (): Identity => certificateOf(faults.tlsCertificate);
  let servers: EsipaServers | undefined;
  let api: HttpServer | undefined;
  let shown = faults.tlsCertificate;

  const applyFaults = async (settings: unknown): Promise<void> => {
    applyEimFaults(faults, settings);
    if (faults.tlsCertificate === shown) return;
    shown = faults.tlsCertificate;
    await servers?.setIdentity(tlsIdentity());
  };
  const targets: FaultTargets = { eim: { apply: applyFaults, show: () => render(faults) }, ...options.faultTargets };
  const configuredFqdn = (): string => `${fqdn}:${servers?.port ?? options.port ?? 0}`;

  const configured = (configuration?: ConfigurationOptions): Uint8Array =>
    configurationData(
      {
        eimId,
        fqdn: configuredFqdn(),
        signingCertificate: signing.certificate,
        signingKey: spkiOf(signing.privateKey),
        tlsCertificate: tls.certificate,
        tlsKey: spkiOf(tls.privateKey),
        caCertificate: pki.get("ci").certificate,
        euiccCiPKId: pki.get("ci").subjectKeyIdentifier,
      },
      configuration,
    );

  return {
    eimId,
    faults,
    applyFaults,
    start: async () => {
      servers = await startEsipaServers({
        clock,
        random,
        dtls,
        host,
        port: options.port ?? 0,
        identity: tlsIdentity(),
        handle: (message) => core.handle(message),
        notServed: () => (options.esipaVersion === "1.0" ? [...faults.notServed, "https-json"] : faults.notServed),
        jsonDialect: () => faults,
        ...(options.coapCode === undefined ? {} : { coapCode: options.coapCode }),
        ...(options.coapBlockBytes === undefined ? {} : { coapBlockBytes: options.coapBlockBytes }),
      });
      try {
        api = await startHttpServer({
          host: "127.0.0.1",
          port: options.apiPort ?? 0,
          what: "order API (--api-port)",
          handle: (request) => answerApi(core, targets, request, () => configured()),
        });
      } catch (error) {
        await servers.stop();
        throw error;
      }
      const at = configuredFqdn();
      return {
        id: eimId,
        coaps: `coaps://${at}`,
        https: `https://${at}`,
        api: `http://127.0.0.1:${api.port}`,
        fqdn: at,
        port: servers.port,
      };
    },
    stop: async () => {
      core.stop();
      await Promise.all([servers?.stop(), api?.stop()]);
      servers = undefined;
      api = undefined;
    },
    handle: (message) => core.handle(message),
    addOrder: (order) => core.takeOrder(order).orderId,
    order: (orderId) => {
      const order = core.orders.byId(orderId);
      return order === undefined ? undefined : orderView(order);
    },
    setEuicc: (settings) => core.setEuicc(settings),
    get euiccs() {
      return core.euiccs.all;
    },
    results: (eid) => core.results(eid).map(({ view }) => view),
    notifications: (eid) => core.notifications(eid).map(({ view }) => view),
    configurationData: configured,
    onEvent: (listener) => core.events.follow(core.events.last, listener),
  };
}

const dayMs = 86_400_000;

function deviantTls(kind: TlsCertificateKind, pki: Pki, eimId: string, clock: Clock): Identity {
  switch (kind) {
    case "own":
      return pki.issue("eimtls", { eimId });
    case "foreign":
      return createPki({ clock, ...pki.subjects, curve: pki.curve, eimId }).get("eimtls");
    case "expired":
      return pki.issue("eimtls", { eimId, notBeforeMs: clock.now() - 2 * dayMs, notAfterMs: clock.now() - dayMs });
    case "wrongHost":
      return pki.issue("eimtls", { eimId, eimHosts: ["elsewhere.example.com"] });
  }
}
