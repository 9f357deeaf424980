// Result codes: what the product's tables call them is what the standards do, in octets as by name, and each function of the IPA says which one it was.
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../base/bytes.ts";
import { VirtualClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { decode, encode } from "../../ipa/asn1/schema.ts";
import { EimClient } from "../../ipa/esipa/client.ts";
import { type Es10Function, es10Functions, es10Value } from "../../ipa/euicc/es10.ts";
import { typeByName, typeNames } from "../../ipa/messages/registry.ts";
import { defaultCompat } from "../../ipa/options.ts";
import { outcomeOf } from "../../ipa/procedures/package-facts.ts";
import { type CodeTable, codeTables, es10Codes, esipaCodes, packageCodes } from "./rows/codes.ts";
import { namedIntegersIn, typeAt, valueAt } from "./walk.ts";

const octetsOf = ({ wire }: CodeTable, number: number): Uint8Array =>
  fromHex(wire.replace("XX", number.toString(16).toUpperCase().padStart(2, "0")));

const each = (tables: readonly CodeTable[]): (readonly [string, string, number, CodeTable])[] =>
  tables.flatMap((table) => Object.entries(table.codes).map(([name, number]) => [table.id, name, number, table] as const));

describe("codes and numbers", () => {
  test.each(codeTables.map((table) => [table.id, table] as const))(
    "%s: the product knows these and no others",
    (_, { type, at, codes }) => {
      expect(namedIntegersIn(typeAt(typeByName(type), at))).toEqual([{ names: codes, at: "" }]);
    },
  );

  // shows: code.*
  test.each(each(codeTables))("%s: %s is %d in octets and by name", (_id, name, number, table) => {
    const type = typeByName(table.type);
    const octets = octetsOf(table, number);
    const value = decode(type, octets);
    expect(valueAt(type, value, table.at)).toBe(name);
    expect(toHexUpper(encode(type, value))).toBe(toHexUpper(octets));
  });

  test.each(codeTables.map((table) => [table.id, table] as const))("%s: the number of a later version stays one", (_, table) => {
    const type = typeByName(table.type);
    const unknown = [99, 98, 97].find((number) => !Object.values(table.codes).includes(number)) ?? 0;
    expect(valueAt(type, decode(type, octetsOf(table, unknown)), table.at)).toBe(unknown);
  });

  test("no table of results in the product's messages is left out", () => {
    // Numbers that say what something is, not how something went; and the answers of ES9+ in ASN.1, which this IPA speaks in JSON.
    const noResults = ["RemoteOpId", "IconType", "ProfileState", "ProfileClass", "EimIdType", "IpaMode"];
    const es9 =
      /^((InitiateAuthentication|GetBoundProfilePackage|RemoteProfileProvisioning|LpaeActivation)Response|.*ResponseEs9|.*ResponseEs11)$/;
    const covered = new Set<object>(codeTables.map(({ type, at }) => namedIntegersIn(typeAt(typeByName(type), at))[0]?.names ?? {}));
    const excused = new Set<object>(
      typeNames()
        .filter((name) => noResults.includes(name))
        .flatMap((name) => namedIntegersIn(typeByName(name)).map(({ names }) => names)),
    );
    const left = typeNames()
      .filter((name) => !es9.test(name))
      .flatMap((name) => namedIntegersIn(typeByName(name)).map(({ names, at }) => ({ names, where: `${name}.${at}` })))
      .filter(({ names, where }) => !covered.has(names) && !excused.has(names) && !/euiccCategory$/.test(where));
    expect(left.map(({ where }) => where)).toEqual([]);
  });
});

describe("ES10: a function that was not carried out says which code it was", () => {
  /** No failure: what was to be removed or deleted is not there. */
  const asGood = ["RemoveNotificationFromList", "eUICCMemoryReset", "eUICCMemoryReset-eim", "eUICCMemoryReset-SGP22"];
  const rowOf = ({ id, section }: CodeTable): Es10Function<unknown, unknown> => {
    const name = id.replace(/-.*$/, "");
    const found = es10Functions.filter((row) => row.name.endsWith(`.${name}`) && row.section === section);
    expect(found).toHaveLength(1);
    return found[0] as unknown as Es10Function<unknown, unknown>;
  };

  test.each(each(es10Codes))("%s: %s (%d)", (id, name, number, table) => {
    const row = rowOf(table);
    const refusal = row.refusal?.(es10Value(row, octetsOf(table, number)));
    expect(refusal).toBe(name === "ok" || (name === "nothingToDelete" && asGood.includes(id)) ? undefined : name);
  });

  test.each(es10Codes.map((table) => [table.id, table] as const))("%s: a code of a later version is a refusal too", (_, table) => {
    const row = rowOf(table);
    expect(row.refusal?.(es10Value(row, octetsOf(table, 99)))).toBe(99);
  });
});

describe("packages: each operation's code is told", () => {
  test.each(each(packageCodes))("%s: %s (%d)", (id, name, number, table) => {
    const outcome = outcomeOf(octetsOf(table, number), []);
    if (id === "EuiccPackageError") expect(outcome).toMatchObject({ kind: "euiccPackageErrorSigned", error: name, outcomes: [] });
    else expect(outcome).toMatchObject({ kind: "euiccPackageResultSigned", outcomes: [{ name: id, code: name }] });
  });
});

describe("ESipa: what the eIM refuses has its name", () => {
  const calls: Readonly<Record<string, (eim: EimClient) => Promise<unknown>>> = {
    "esipa-GetEimPackage": (eim) => eim.getEimPackage({ stateChange: undefined, rPlmn: undefined }),
    "esipa-ProvideEimPackageResult": (eim) =>
      eim.provideEimPackageResult(eim.encodeResult({ kind: "error", eimTransactionId: undefined, code: "unknownPackage" })),
    "esipa-InitiateAuthentication": (eim) =>
      eim.initiateAuthentication({
        euiccChallenge: new Uint8Array(16),
        smdpAddress: "dp.example.com",
        euiccInfo1: fromHex("BF200F8203020203A9030401F5AA030401F5"),
        eimTransactionId: undefined,
      }),
    "esipa-AuthenticateClient": (eim) => eim.authenticateClient(fromHex("AABBCCDD"), fromHex("BF3800")),
    "esipa-GetBoundProfilePackage": (eim) => eim.getBoundProfilePackage(fromHex("AABBCCDD"), fromHex("BF2100")),
    "esipa-CancelSession": (eim) => eim.cancelSession(fromHex("AABBCCDD"), fromHex("BF4103810105")),
  };
  const clientOf = (body: Uint8Array): EimClient =>
    new EimClient({
      eimId: "eim1",
      bindings: [
        {
          name: "https",
          endpoint: {
            eimId: "eim1",
            host: "eim.example",
            port: 443,
            serverName: "eim.example",
            trust: { kind: "roots", certificates: [] },
          },
          transport: { scheme: "https", exchange: async () => ({ status: 200, body }) },
        },
      ],
      compat: defaultCompat,
      eid: fromHex("89049032123451234512345678901235"),
      clock: new VirtualClock(),
      events: { emit: () => undefined },
      timeoutMs: 60_000,
    });

  test.each(each(esipaCodes))("%s: %s (%d)", async (id, name, number, table) => {
    const call = calls[id]?.(clientOf(octetsOf(table, number))) ?? Promise.reject(new Error(`${id} is not called here`));
    const answer = await call.catch((error: unknown) => (error instanceof SimwardError ? [error.code, error.data.error] : error));
    expect(answer).toEqual(name === "noEimPackageAvailable" ? { kind: "none" } : ["ESIPA_REFUSED", name]);
  });
});
