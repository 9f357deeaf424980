// Whether the access rules of the active profile let the terminal at a file (ETSI TS 102 221 §9.2, EF.ARR in expanded format), given
// which of its PINs are verified or need not be.
import { toHex } from "../../base/bytes.ts";
import { childrenOf, contentOf, readTlvs, type Tlv } from "../../ipa/asn1/tlv.ts";
import type { EuiccCore } from "./core.ts";
import type { FileAccess } from "./file-commands.ts";
import { type Directory, type ElementaryFile, type FileSystem, recordOf } from "./pe/file-system.ts";
import type { PinStore } from "./pins.ts";
import { withProfile } from "./registry.ts";

/** A card without an enabled profile shows a bare MF. */
function bareFiles(): FileSystem {
  const mf: Directory = {
    kind: "directory",
    type: "MF",
    fid: 0x3f00,
    aid: undefined,
    accessRule: Uint8Array.of(0x2f, 0x06, 0x01),
    pinStatusTemplate: undefined,
    parent: undefined,
    children: new Map(),
  };
  return { mf, adfs: [] };
}

/** The files of the active profile, guarded. */
export function filesAccess(core: EuiccCore, pins: PinStore): FileAccess {
  const { active } = core;
  const files = active === undefined ? bareFiles() : core.profileOf(active).files;
  return {
    files,
    allows: (file, directory, mode) => {
      const rule = ruleOf(file, directory, files);
      return rule !== undefined && permits(rule, mode, (reference) => pins.isSatisfied(reference));
    },
    updated: (path, bytes) => {
      if (active === undefined) return;
      core.update((state) => {
        const updates = state.profiles.find((profile) => toHex(profile.aid) === toHex(active.aid))?.updates;
        return withProfile(state, active.aid, { updates: { ...updates, [path]: bytes.slice() } });
      });
    },
  };
}

/** The record of EF.ARR that the file names; 6F06 is that of the directory or the nearest one above. */
function ruleOf(file: ElementaryFile, directory: Directory, files: FileSystem): Uint8Array | undefined {
  const [high = 0, low = 0, record = 0] = file.accessRule;
  const fid = (high << 8) | low;
  let at: Directory | undefined = fid === 0x2f06 ? files.mf : directory;
  for (; at !== undefined; at = at.parent) {
    const rules = at.children.get(fid);
    if (rules?.kind === "ef") return recordOf(rules, record);
  }
  return undefined;
}

/** Pairs of access mode and the conditions after it; FF fills the record up. */
function permits(rule: Uint8Array, mode: 1 | 2, satisfied: (reference: number) => boolean): boolean {
  let end = rule.length;
  while (end > 0 && rule[end - 1] === 0xff) end--;
  let applies = false;
  try {
    for (const tlv of readTlvs(rule, 0, end)) {
      if (tlv.tag === 0x80) applies = ((contentOf(tlv)[0] ?? 0) & mode) !== 0;
      else if (tlv.tag >= 0x81 && tlv.tag <= 0x8f) applies = false;
      else if (applies && holds(tlv, satisfied)) return true;
    }
  } catch {
    return false;
  }
  return false;
}

/** A security condition: always, never, a key verified, any of several, all of several. */
function holds(condition: Tlv, satisfied: (reference: number) => boolean): boolean {
  switch (condition.tag) {
    case 0x90:
      return true;
    case 0xa4: {
      const reference = childrenOf(condition).find((child) => child.tag === 0x83);
      return reference !== undefined && satisfied(contentOf(reference)[0] ?? 0);
    }
    case 0xa0:
      return childrenOf(condition).some((child) => holds(child, satisfied));
    case 0xaf:
      return childrenOf(condition).every((child) => holds(child, satisfied));
    default:
      return false;
  }
}
