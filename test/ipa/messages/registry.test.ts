// The tables as a whole: every name is there, near names are offered, and no table contradicts itself.
import { describe, expect, test } from "vitest";
import { SimwardError } from "../../../base/errors.ts";
import type { AnyType, Field, Type } from "../../../ipa/asn1/schema.ts";
import { isConstructed, tagName } from "../../../ipa/asn1/tlv.ts";
import { EuiccMemoryResetRequest, Sgp32EuiccMemoryResetRequest } from "../../../ipa/messages/eim-config.ts";
import { ProfileInfo } from "../../../ipa/messages/profile-info.ts";
import { typeByName, typeNames } from "../../../ipa/messages/registry.ts";

function refusalOf(name: string): SimwardError {
  try {
    typeByName(name);
  } catch (error) {
    if (error instanceof SimwardError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("names", () => {
  test("both forms of a name that SGP.32 widens give one type", () => {
    expect(typeByName("ProfileInfo")).toBe(ProfileInfo);
    expect(typeByName("SGP32-ProfileInfo")).toBe(ProfileInfo);
  });

  test("where the wire differs the prefix tells which", () => {
    expect(typeByName("EuiccMemoryResetRequest")).toBe(EuiccMemoryResetRequest);
    expect(typeByName("SGP32-EuiccMemoryResetRequest")).toBe(Sgp32EuiccMemoryResetRequest);
    expect(["", "SGP32-"].flatMap((prefix) => typeByName(`${prefix}SetDefaultDpAddressRequest`).tags)).toEqual([0xbf3f, 0xbf65]);
  });

  test("hyphens stand where ASN.1 has them", () => {
    expect(typeNames()).toContain("InitialiseSecureChannelRequest-ver");
    expect(typeNames()).toHaveLength(264);
  });

  test.each([
    ["EuiccPackageRequst", "EuiccPackageRequest"],
    ["euiccpackagerequest", "EuiccPackageRequest"],
    ["EUICCInfo", "EUICCInfo2"],
    ["SGP32ProfileInfo", "SGP32-ProfileInfo"],
    ["GetEimPackage", "GetEimPackageRequest"],
  ])("%s is not known, %s is offered", (wrong, right) => {
    const error = refusalOf(wrong);
    expect(error.code).toBe("ASN1_UNKNOWN_TYPE");
    expect(error.data.near).toContain(right);
    expect(error.detail).toContain(right);
  });

  test.each(["", "constructor", "__proto__", "x".repeat(10_000), "Bicycle"])("%.20s is not known, and nothing is near it", (wrong) => {
    expect(refusalOf(wrong)).toMatchObject({ code: "ASN1_UNKNOWN_TYPE", data: { near: [] } });
  });
});

function typeOf(field: Field): AnyType {
  if ("optional" in field) return field.optional;
  return "default" in field ? field.type : field;
}

/** Every type a named one is made of, with where it stands. */
function partsOf(name: string, type: Type<unknown>): { readonly at: string; readonly type: Type<unknown> }[] {
  const out = [{ at: name, type }];
  const { shape } = type;
  switch (shape.kind) {
    case "seq":
      for (const [field, part] of Object.entries(shape.fields)) out.push(...partsOf(`${name}.${field}`, typeOf(part)));
      break;
    case "seqOf":
      out.push(...partsOf(`${name}.#`, shape.item));
      break;
    case "choice":
      for (const [kind, part] of Object.entries(shape.alternatives)) out.push(...partsOf(`${name}.${kind}`, part));
      break;
    case "tagged":
    case "signed":
      out.push(...partsOf(`${name}`, shape.inner));
      break;
    default:
  }
  return out;
}

const everyPart = typeNames().flatMap((name) => partsOf(name, typeByName(name)));

describe("every table", () => {
  test("has constructed tags on what has parts, and on nothing else", () => {
    const wrong = everyPart.filter(({ type }) => {
      let { shape } = type;
      let explicitly = false;
      while (shape.kind === "tagged" || shape.kind === "signed") {
        explicitly = explicitly || (shape.kind === "tagged" && shape.inner.shape.kind === "choice");
        shape = shape.inner.shape;
      }
      if (shape.kind === "choice" && !explicitly) return false;
      if (shape.kind === "any") return false;
      const constructed = explicitly || ["seq", "seqOf", "embedded", "choice"].includes(shape.kind);
      return type.tags.some((tag) => isConstructed(tag) !== constructed);
    });
    expect(wrong.map(({ at, type }) => `${at} ${type.tags.map(tagName).join(" ")}`)).toEqual([]);
  });

  test("tells the alternatives of each CHOICE apart by their tags", () => {
    const wrong = everyPart.flatMap(({ at, type }) => {
      if (type.shape.kind !== "choice") return [];
      const tags = Object.values(type.shape.alternatives).flatMap((alternative) => [...alternative.tags, ...(alternative.alsoTags ?? [])]);
      return new Set(tags).size === tags.length ? [] : [at];
    });
    expect(wrong).toEqual([]);
  });

  test("tells a part that may be absent from the next of the same tag", () => {
    const wrong = everyPart.flatMap(({ at, type }) => {
      if (type.shape.kind !== "seq") return [];
      const fields = Object.entries(type.shape.fields);
      return fields.flatMap(([name, field], index) => {
        if (!("optional" in field || "default" in field)) return [];
        // Up to the next mandatory part, whose tag ends the search.
        const after = fields.slice(index + 1);
        const end = after.findIndex(([, next]) => !("optional" in next || "default" in next));
        const rivals = end < 0 ? after : after.slice(0, end + 1);
        const clash = rivals.find(([, rival]) => typeOf(rival).tags.some((tag) => typeOf(field).tags.includes(tag)));
        return clash === undefined ? [] : [`${at}: ${name} and ${clash[0]}`];
      });
    });
    expect(wrong).toEqual([]);
  });

  test("gives each number of an INTEGER or bit one name", () => {
    const wrong = everyPart.flatMap(({ at, type: { shape } }) => {
      if (shape.kind !== "namedInteger" && shape.kind !== "namedBits") return [];
      const numbers = Object.values(shape.names);
      return new Set(numbers).size === numbers.length ? [] : [at];
    });
    expect(wrong).toEqual([]);
  });
});
