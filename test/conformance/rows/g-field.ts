// What is met in the field: forms that no standard has and our readers take, and the eIMs and cards of SGP.32 v1.0.
import { type Group, group } from "./row.ts";

export const fieldRows: readonly Group[] = [
  group("Deviations that are read", "field", "SGP.32 §6.3", {
    "double-tag": "A tag written twice around the same content",
    "ber-lengths": "Lengths in long form; what is signed keeps them",
    "unknown-fields": "Fields of a later version are skipped, and kept where they are forwarded",
    "refresh-flag": "refreshFlag as a universal BOOLEAN",
    "rollback-flag": "rollbackFlag as 81",
    "cmd-result": "cmdResult of ProfileRollback as 80",
    "search-criteria": "Search criteria of BF2B without their wrapper",
    "key-identifier": "The key identifier of GetCerts as 04",
    "nested-certificate": "Certificates as 30 inside A5 and A6",
    "bare-key": "A bare key in eimPublicKeyData: refused, unless asked for",
    "single-result": "A single operation's result without its tag",
    "no-eid": "A result without EID: the eIM finds the eUICC by transaction or certificate",
    "smds-address": "smdsAddress as 0C",
    "fqdn-port": "A port in eimFqdn",
    "der-signature": "A signature as DER: taken by who is tolerant",
    "tag-list": "A tag list in v1.0's numbers, when asked for",
    "bit-strings": "BIT STRINGs that are not shortened",
  }),
  group("SGP.32 v1.0, by a switch for each eIM", "v10", "SGP.32 §6.3", {
    bf50: "ProvideEimPackageResult without EID, a bare error, notifications inside BF2B",
    "bf50-empty": "Its empty answer BF50 00",
    bf4f: "GetEimPackage without a cause, rPLMN as 81",
    "bf52-request": "Package results asked for by 82",
    "bf52-data": "Data in v1.0's order and tags, its error as 81",
    "bf54-error": "profileDownloadError without a reason",
    bf3d: "A result inside HandleNotification without its tag",
    card: "A card of v1.0",
  }),
  group("SGP.32 v1.3", "v13", "SGP.32 §2.11.1.1", {
    "eim-proprietary": "Proprietary protocol information of an eIM",
    "order-expired": ["AuthenticateClient's downloadOrderExpired", "SGP.32 §5.14.3"],
  }),
];
