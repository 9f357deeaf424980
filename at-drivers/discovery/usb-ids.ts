// USB identities of cellular modules: which interface numbers carry AT commands, and which must be left alone. Data only; what it does not
// know is found by asking (probe.ts). systemd/70-simward.rules and a part of docs/modules.md are made from it.
import type { Grade } from "../family.ts";

/** `data`: takes AT commands too, and is meant for PPP. `other`: none of these, and never AT. */
export type PortRole = "at" | "data" | "nmea" | "diag" | "other";

export interface UsbVendor {
  /** Four hexadecimal digits in lower case, as sysfs prints them. */
  readonly vendor: string;
  readonly name: string;
  /** Whether everything it sells with a serial port is a cellular module: a product not in the table is tried too. */
  readonly onlyModules: boolean;
}

export interface UsbProduct {
  readonly vendor: string;
  readonly product: string;
  readonly modules: string;
  /** Ids of families that present themselves so; a hint for people, the module is asked. */
  readonly families: readonly string[];
  /** By interface number; one that is missing is asked. */
  readonly ports: Readonly<Record<number, PortRole>>;
  /** How well `ports` is known. */
  readonly grade: Grade;
  /** Codes of docs/modules.md's sources; LINUX is the kernel's option driver and the submissions to it. */
  readonly sources: readonly string[];
}

export const usbVendors: readonly UsbVendor[] = [
  { vendor: "2c7c", name: "Quectel", onlyModules: true },
  { vendor: "1e0e", name: "SIMCom", onlyModules: true },
  { vendor: "1bc7", name: "Telit", onlyModules: true },
  // It makes satellite receivers with serial ports too.
  { vendor: "1546", name: "u-blox", onlyModules: false },
  // Many makers' modules, and telephones.
  { vendor: "05c6", name: "Qualcomm", onlyModules: false },
];

const quectelFour = { 0: "diag", 1: "nmea", 2: "at", 3: "data" } as const;
const ublox2 = { 0: "at", 2: "data", 4: "data", 6: "nmea", 8: "other", 10: "diag" } as const;
const unknownPorts = { ports: {}, grade: "unknown" } as const;

export const usbProducts: readonly UsbProduct[] = [
  quectel("0121", "EC21", ["quectel-ec2x"], { ports: quectelFour, grade: "documented", sources: ["Q-LINUX"] }),
  quectel("0125", "EC25, EG25", ["quectel-ec2x"], { ports: quectelFour, grade: "documented", sources: ["Q-LINUX", "MM"] }),
  quectel("0128", "EM060K class", [], { ports: { 5: "at" }, grade: "documented", sources: ["MM"] }),
  quectel("0191", "EG91", ["quectel-ec2x"], { ports: quectelFour, grade: "documented", sources: ["Q-LINUX", "MM"] }),
  quectel("0195", "EG95", ["quectel-ec2x"], { ports: quectelFour, grade: "documented", sources: ["Q-LINUX", "MM"] }),
  quectel("0296", "BG96", ["quectel-bg9x"], { ports: quectelFour, grade: "documented", sources: ["Q-LINUX", "MM"] }),
  // The fourth port is interface 3 or 4 by firmware, and a network interface in another composition.
  quectel("0700", "BG95, BG77", ["quectel-bg9x"], {
    ports: { 0: "diag", 1: "nmea", 2: "at", 3: "data", 4: "data" },
    grade: "documented",
    sources: ["LINUX"],
  }),
  // Interfaces 0 and 1 are its network interface; AT comes first of the serial ones, the order of the others is not said.
  quectel("0901", "EC200U", ["quectel-ec200"], { ports: { 2: "at" }, grade: "documented", sources: ["LINUX"] }),
  quectel("6001", "EG912Y", ["quectel-ec200"], { ...unknownPorts, sources: ["LINUX"] }),
  quectel("6002", "EC200S", ["quectel-ec200"], { ...unknownPorts, sources: ["LINUX"] }),
  quectel("6005", "EC200A", ["quectel-ec200"], { ...unknownPorts, sources: ["LINUX"] }),
  quectel("6007", "EG916Q", ["quectel-ec200"], { ...unknownPorts, sources: ["LINUX"] }),
  quectel("6026", "EC200T", ["quectel-ec200"], { ...unknownPorts, sources: ["LINUX"] }),
  simcom("9001", "SIM7000, SIM7100, SIM7600", [], {
    ports: { 0: "diag", 1: "nmea", 2: "at", 3: "data", 4: "other" },
    grade: "documented",
    sources: ["MM"],
  }),
  // As users saw it on a SIM7600 in the same composition: interfaces 2 to 6 are serial, the third of them takes AT, the fifth is audio.
  simcom("9011", "A76xx, SIM7600 with RNDIS", ["simcom-a76xx"], { ports: { 4: "at" }, grade: "documented", sources: ["FIELD"] }),
  simcom("9205", "SIM7070, SIM7080, SIM7090", ["simcom-sim7080"], {
    ports: { 0: "diag", 1: "nmea", 2: "at", 3: "data" },
    grade: "documented",
    sources: ["S-7080", "MM"],
  }),
  simcom("9206", "SIM7070, SIM7080, SIM7090, second composition", ["simcom-sim7080"], {
    ports: { 0: "diag", 1: "nmea", 2: "at", 3: "other", 4: "other", 5: "data" },
    grade: "documented",
    sources: ["S-7080", "MM"],
  }),
  ublox("1010", "TOBY-L4", { ports: { 2: "other", 4: "diag", 6: "at", 8: "other" }, grade: "documented", sources: ["MM"] }),
  ublox("1107", "TOBY-R2", { ports: ublox2, grade: "documented", sources: ["MM"] }),
  ublox("110a", "LARA-R2", { ports: ublox2, grade: "documented", sources: ["MM"] }),
  ublox("1341", "LARA-L6", { ports: { 0: "diag", 1: "at", 2: "data", 3: "data" }, grade: "documented", sources: ["LINUX"] }),
  ublox("1342", "LARA-L6 with RmNet", { ports: { 0: "diag", 1: "at", 2: "data", 3: "data" }, grade: "documented", sources: ["LINUX"] }),
  ublox("1343", "LARA-L6 with ECM", { ports: { 0: "diag", 1: "at", 2: "data", 3: "data" }, grade: "documented", sources: ["LINUX"] }),
  { vendor: "05c6", product: "908b", modules: "u-blox LARA-R6", families: ["ublox-lara-r6"], ...unknownPorts, sources: ["LINUX"] },
  { vendor: "05c6", product: "90b2", modules: "u-blox SARA-R410M", families: ["ublox-sara-r4"], ...unknownPorts, sources: ["LINUX"] },
  telit("1031", "LE910C1", ["telit-le910"], { ...unknownPorts, sources: ["LINUX"] }),
  telit("1033", "LE910C1 with ECM", ["telit-le910"], { ...unknownPorts, sources: ["LINUX"] }),
  telit("1100", "ME910", ["telit-me"], { ...unknownPorts, sources: ["LINUX"] }),
  telit("1101", "ME910, two modem ports", ["telit-me"], { ...unknownPorts, sources: ["LINUX"] }),
  telit("1102", "ME910 with ECM", ["telit-me"], { ...unknownPorts, sources: ["LINUX"] }),
  telit("110a", "ME910G1", ["telit-me"], { ...unknownPorts, sources: ["LINUX"] }),
  telit("110b", "ME910G1 with ECM", ["telit-me"], { ...unknownPorts, sources: ["LINUX"] }),
  telit("1201", "LE910", ["telit-le910"], { ...unknownPorts, sources: ["LINUX"] }),
];

type Ports = Pick<UsbProduct, "ports" | "grade" | "sources">;

function quectel(product: string, modules: string, families: readonly string[], ports: Ports): UsbProduct {
  return { vendor: "2c7c", product, modules: `Quectel ${modules}`, families, ...ports };
}

function simcom(product: string, modules: string, families: readonly string[], ports: Ports): UsbProduct {
  return { vendor: "1e0e", product, modules: `SIMCom ${modules}`, families, ...ports };
}

function ublox(product: string, modules: string, ports: Ports): UsbProduct {
  return { vendor: "1546", product, modules: `u-blox ${modules}`, families: [], ...ports };
}

function telit(product: string, modules: string, families: readonly string[], ports: Ports): UsbProduct {
  return { vendor: "1bc7", product, modules: `Telit ${modules}`, families, ...ports };
}

export function usbProduct(vendor: string, product: string): UsbProduct | undefined {
  return usbProducts.find((row) => row.vendor === vendor && row.product === product);
}

export function usbVendor(vendor: string): UsbVendor | undefined {
  return usbVendors.find((row) => row.vendor === vendor);
}
