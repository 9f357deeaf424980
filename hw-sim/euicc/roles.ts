// What the built-in card is to its terminal: an IoT eUICC, one that is its own assistant, a consumer's, a machine's, or no eUICC at all.
// One row a role; card and functions look their differences up here.
import type { EuiccCapabilities } from "./types.ts";

export interface CardRole {
  /** For --help. */
  readonly text: string;
  /** Security domains that SELECT finds. */
  readonly domains: readonly ("isdr" | "ecasd")[];
  /** Whose functions the ISD-R has for a terminal; none: STORE DATA is for the SM-SR, through a secure channel (SGP.02 §4.1.1). */
  readonly es10: "sgp32" | "sgp22" | "none";
  /** Version of SGP.22 that it names: major, minor, revision. */
  readonly svn: readonly [number, number, number];
  /** Whose assistant is active when it leaves the factory (SGP.32 §5.9.3). */
  readonly ipaMode: "ipad" | "ipae";
  /** Changes its profile on orders that come over the air, and sets itself up with the terminal's toolkit (SGP.02 §3.2, ETSI TS 102 223). */
  readonly overTheAir: boolean;
  readonly capabilities: Partial<EuiccCapabilities>;
}

const noIot: Partial<EuiccCapabilities> = { ecall: false, fallback: false, immediateEnable: false, ipae: false, maxEims: 0 };

export const cardRoles = {
  sgp32: {
    text: "IoT eUICC (SGP.32), obeys the assistant in the device (IPAd)",
    domains: ["isdr", "ecasd"],
    es10: "sgp32",
    svn: [2, 5, 0],
    ipaMode: "ipad",
    overTheAir: false,
    capabilities: {},
  },
  ipae: {
    text: "IoT eUICC (SGP.32) whose own assistant (IPAe) is active",
    domains: ["isdr", "ecasd"],
    es10: "sgp32",
    svn: [2, 5, 0],
    ipaMode: "ipae",
    overTheAir: false,
    capabilities: { ipae: true },
  },
  sgp22: {
    text: "consumer eUICC (SGP.22): no function of SGP.32, all of ES10a, b and c for a local assistant",
    domains: ["isdr", "ecasd"],
    es10: "sgp22",
    svn: [2, 2, 2],
    ipaMode: "ipad",
    overTheAir: false,
    capabilities: noIot,
  },
  sgp02: {
    text: "M2M eUICC (SGP.02): an ISD-R that only its SM-SR may talk to; changes its profile by itself",
    domains: ["isdr", "ecasd"],
    es10: "none",
    svn: [2, 2, 2],
    ipaMode: "ipad",
    overTheAir: true,
    capabilities: noIot,
  },
  uicc: {
    text: "plain UICC: one subscription, no ISD-R",
    domains: [],
    es10: "none",
    svn: [2, 2, 2],
    ipaMode: "ipad",
    overTheAir: false,
    capabilities: noIot,
  },
} as const satisfies Record<string, CardRole>;

export type CardRoleName = keyof typeof cardRoles;

export const cardRoleNames = Object.keys(cardRoles) as readonly CardRoleName[];

/** What an eUICC whose own assistant is active still tells the device's; all else is that assistant's business (SGP.32 §5.9.3). */
export const passiveTags: ReadonlySet<number> = new Set([
  0xbf20, 0xbf22, 0xbf28, 0xbf2b, 0xbf2d, 0xbf3c, 0xbf3e, 0xbf42, 0xbf43, 0xbf55, 0xbf56, 0xbf5f,
]);

/** The functions of SGP.22 that a consumer eUICC has, by tag (§5.7); SGP.32's others are not known to it. */
export const sgp22Tags: ReadonlySet<number> = new Set([
  0xbf20, 0xbf21, 0xbf22, 0xbf28, 0xbf29, 0xbf2b, 0xbf2d, 0xbf2e, 0xbf30, 0xbf31, 0xbf32, 0xbf33, 0xbf34, 0xbf35, 0xbf36, 0xbf38, 0xbf3c,
  0xbf3e, 0xbf3f, 0xbf41, 0xbf42, 0xbf43,
]);
