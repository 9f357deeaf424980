// Checks of the eIMs: configured, trusted, reached by DTLS or TLS with what is pinned, heard from; and what waits to be delivered.
import type { ErrorCode } from "../../../base/errors.ts";
import { nearest } from "../../../base/nearest.ts";
import type { EimBindingTest } from "../../api/doctor-types.ts";
import { type Check, fail, pass, type Said, skip, warn } from "../check.ts";
import type { DoctorContext } from "../context.ts";
import { pinnedUntilMs, trustWords } from "../handshake.ts";
import { isOfServer } from "./orders.ts";

const dayMs = 86_400_000;
const soonMs = 30 * dayMs;
/** With answers that take so long a handshake of several flights does not end in time, whatever their size. */
const slowMs = 3_000;
const staleMs = 3 * dayMs;

/** What its own faults call for, where another poll would meet the same. */
const pollMends: Partial<Record<ErrorCode, string>> = {
  ESIPA_STATUS: "the way to it is well: have the eIM's operator look at its log; then simward eim poll",
  ESIPA_RESPONSE: "simward trace esipa --last 20; have the eIM's operator look at what it answers; then simward eim poll",
  ESIPA_REFUSED: "have the eIM's operator check that this EID is registered there (simward card info --show-ids); then simward eim poll",
  ESIPA_UNREACHABLE: "simward eim test: where that is well, have the eIM's operator look why it answers no request; then simward eim poll",
};

export const eimChecks: readonly Check<DoctorContext>[] = [
  {
    name: "eim-configured",
    section: "eim",
    about: "Whether the eUICC knows an eIM, and each has an address and a protocol that simward speaks.",
    reach: "card",
    needs: ["card-class"],
    run: async ({ ipa, eims, running }) => {
      const { card } = ipa();
      if (card === undefined) return skip("the card has not been read yet");
      const { kind } = card;
      if (kind === "sgp02" || kind === "uicc" || kind === "sgp32-ipae") return skip("no eIM is asked with such a card");
      if (kind === "sgp22" && !running.eim.on_consumer_euicc) return skip("eim.on_consumer_euicc is false: no eIM is asked");
      const all = await eims();
      if (all.length === 0)
        return fail(
          "the eUICC knows no eIM",
          "simward eim add-initial FILE --reason WHY, with the AddInitialEimRequest of the eIM's operator; or have the eUICC's maker associate one",
        );
      const unusable = all.find(({ error }) => error !== undefined && error.code !== "EIM_NO_TRUST");
      if (unusable?.error !== undefined) return fail(`eIM ${unusable.eimId}: ${unusable.error.message}`, unusable.error.next);
      const eimIds = all.map(({ eimId }) => eimId);
      // A fleet's file may name eIMs that only others of its vehicles have; one that names none of this card's has a slip of the pen.
      const named = running.eim.peer.map(({ eim_id }) => eim_id);
      if (named.length > 0 && !named.some((one) => eimIds.includes(one)))
        return warn(
          `[[eim.peer]] is of ${named.join(", ")}, and the eUICC knows ${eimIds.join(", ")}: nothing of it is used`,
          `correct eim_id to ${nearest(named[0] ?? "", eimIds) ?? eimIds[0]} in the configuration, or remove it, then systemctl restart simwardd`,
          { data: { eimIds } },
        );
      return pass(eimIds.join(", "), { eimIds });
    },
  },
  {
    name: "eim-trusted",
    section: "eim",
    about:
      "Whether there is something to know each eIM by: trustedPublicKeyDataTls on the eUICC, or [[eim.peer]] ca; and until when a pinned certificate is valid.",
    reach: "card",
    needs: ["eim-configured"],
    run: async ({ eims, clock }) => {
      const all = await eims();
      const without = all.find(({ error }) => error?.code === "EIM_NO_TRUST");
      if (without?.error !== undefined)
        return fail(
          `eIM ${without.eimId}: ${without.error.message}`,
          "add ca to its [[eim.peer]] in the configuration, then systemctl restart simwardd",
        );
      if (all.length === 0) return skip("there is no eIM");
      const { ms, source } = clock.wall();
      for (const { eimId, access } of all) {
        const untilMs = access === undefined ? undefined : pinnedUntilMs(access.endpoint.trust);
        if (untilMs === undefined || source === "none") continue;
        const until = new Date(untilMs).toISOString().slice(0, 10);
        const mend =
          "have the eIM's operator update its configuration on the eUICC (updateEim) with the new certificate, before this one ends";
        if (untilMs < ms)
          return fail(
            `the certificate pinned for eIM ${eimId} has expired on ${until}`,
            "have the eIM's operator update its configuration on the eUICC; or add ca to its [[eim.peer]]",
            { becauseOf: ["clock"] },
          );
        if (untilMs - ms < soonMs) return warn(`the certificate pinned for eIM ${eimId} expires on ${until}`, mend);
      }
      return pass(all.map(({ eimId, access }) => `${eimId}: ${access === undefined ? "" : trustWords(access.endpoint.trust)}`).join("; "));
    },
  },
  handshakeCheck("dtls-handshake", "coaps", "DTLS"),
  handshakeCheck("tls-handshake", "https", "TLS"),
  {
    name: "eim-contact",
    section: "eim",
    about: "Whether each eIM answered when it was asked last, and how long ago that is.",
    reach: "nothing",
    needs: ["eim-configured"],
    run: async ({ status, clock }) => {
      const { eims } = await status();
      // An SM-DP+ that does not serve is no fault of the eIM that named it: last-download tells of it.
      const broken = eims.find(({ lastError }) => lastError !== undefined && !isOfServer(lastError));
      const becauseOf = [
        "dtls-handshake",
        "tls-handshake",
        "dns",
        "data-session",
        "data-path",
        "eim-trusted",
        "emergency",
        "policy",
        "module-answers",
        "sim",
        "profile-enabled",
        "registration",
      ];
      if (broken?.lastError !== undefined)
        return warn(
          `eIM ${broken.eimId} did not serve at the last poll: ${broken.lastError.message}`,
          pollMends[broken.lastError.code] ?? "simward eim test; simward eim poll",
          { data: { code: broken.lastError.code }, becauseOf },
        );
      const silent = eims.find(({ lastContact }) => lastContact !== undefined && clock.now() - Date.parse(lastContact) > staleMs);
      if (silent !== undefined)
        return warn(`eIM ${silent.eimId} was heard from last at ${silent.lastContact}`, "simward eim poll", { becauseOf });
      const heard = eims.flatMap(({ eimId, lastContact }) => (lastContact === undefined ? [] : [`${eimId} at ${lastContact}`]));
      return heard.length === 0 ? pass("not asked since the daemon started") : pass(heard.join("; "));
    },
  },
  {
    name: "pending",
    section: "eim",
    about: "Whether package results or notifications wait to be delivered, and whether an order is under way.",
    reach: "nothing",
    needs: ["card-class"],
    run: async ({ status }) => {
      const { pending, operation } = await status();
      const { notifications, packageResults } = pending;
      const data = { notifications, packageResults };
      if (notifications + packageResults === 0)
        return pass(operation === undefined ? "nothing waits" : `${operation.kind}: ${operation.step}`, data);
      const words = [
        notifications > 0 ? `${notifications} notification${notifications === 1 ? "" : "s"}` : "",
        packageResults > 0 ? `${packageResults} package result${packageResults === 1 ? "" : "s"}` : "",
      ];
      return warn(
        `${words.filter((one) => one !== "").join(" and ")} wait to be delivered`,
        notifications > 0 ? "simward notif deliver; simward notif list" : "simward eim poll",
        {
          data,
          becauseOf: [
            ...["module-answers", "sim", "profile-enabled", "registration", "data-session", "data-path"],
            ...["dns", "dtls-handshake", "tls-handshake", "emergency", "eim-contact"],
          ],
        },
      );
    },
  },
];

function handshakeCheck(name: string, scheme: "coaps" | "https", protocol: string): Check<DoctorContext> {
  return {
    name,
    section: "eim",
    about: `Whether ${protocol} comes about with each eIM that offers ${scheme}, with what is pinned; expired, for another name, and not trusted are told apart. No package is fetched.`,
    reach: "network",
    needs: ["eim-trusted", "dns", "data-session"],
    run: async ({ handshakes, clock }, signal) => {
      const tests = await handshakes(scheme, signal);
      if (tests.length === 0) return skip(`no eIM is reached by ${scheme}`);
      const failed = tests.find(({ outcome }) => outcome === "failed");
      if (failed !== undefined) return judged(failed, protocol);
      // Whose key is pinned may show another certificate every day: this one is what it shows now.
      const { ms, source } = clock.wall();
      const ending = tests.find(({ validUntilMs }) => source !== "none" && validUntilMs !== undefined && validUntilMs - ms < soonMs);
      if (ending?.validUntilMs !== undefined)
        return warn(
          `the certificate that eIM ${ending.eimId} shows (${ending.host}:${ending.port}) is valid until ${new Date(ending.validUntilMs).toISOString().slice(0, 10)} only`,
          "have the eIM's operator renew it before, and update what is pinned on the eUICC (updateEim) where that is the certificate; simward eim test",
          { becauseOf: ["eim-trusted", ...(name === "tls-handshake" ? ["dtls-handshake"] : [])] },
        );
      return pass(tests.map(({ eimId, protocol: used, tookMs }) => `${eimId}: ${used} in ${tookMs} ms`).join("; "));
    },
  };
}

/** Alerts of a server (RFC 5246 §7.2.2) that say what the two of them do not have in common. */
const alerts: readonly { readonly numbers: readonly number[]; readonly words: string; readonly mend: string }[] = [
  {
    numbers: [40, 71],
    words: "the two have no cipher suite, curve or kind of certificate in common",
    mend: "have the eIM's operator offer DTLS 1.2 with ECDHE-ECDSA-AES128-GCM-SHA256 and a certificate on P-256 (RSA is none of SGP.32's); or set allow_ccm8 = true, or binding = \"https\", in its [[eim.peer]], then systemctl restart simwardd; simward eim test",
  },
  {
    numbers: [70],
    words: "the two have no version of DTLS in common",
    mend: 'have the eIM\'s operator offer DTLS 1.2; or set binding = "https" in its [[eim.peer]], then systemctl restart simwardd; simward eim test',
  },
  {
    numbers: [112],
    words: "it is not known there under this name",
    mend: "set server_name in its [[eim.peer]], or have the eIM's operator correct eimFqdn; simward eim test",
  },
];

/** Pure: what a failed handshake means. */
export function judged(
  { eimId, host, port, serverName, trust, error }: EimBindingTest & { readonly eimId: string },
  protocol: string,
): Said {
  const where = `${protocol} with eIM ${eimId} (${host}:${port})`;
  const reason = error?.message ?? "unknown";
  const data = { code: error?.code ?? "INTERNAL", host, port };
  // Something came back, and then nothing more: what is small passes and what is large does not.
  const begun = /: (\d+) datagrams, the first after (\d+) ms, but no end/.exec(reason);
  if (begun !== null && Number(begun[2]) >= slowMs)
    return warn(
      `${where} takes longer than is waited for here: the way is slow, its first answer took ${(Number(begun[2]) / 1_000).toFixed(1)} s; a poll waits longer and may come through`,
      "simward eim poll; simward net probe; set eim.retransmit_initial_ms to more than that time, in ms, then systemctl restart simwardd; have the operator look at the APN's delay",
      { data, becauseOf: ["data-path", "tunnel", "signal"] },
    );
  if (error?.code === "DTLS_TIMEOUT" && begun !== null && Number(begun[1]) > 0)
    return fail(
      `${where} begins and does not end: ${begun[1]} datagrams came back, the larger ones did not: packets of full size are lost on the way (MTU), or the eIM stops half-way`,
      'set net.mtu_bytes = 1280 and eim.mtu_bytes = 1000, or less, and binding = "https" in its [[eim.peer]], then systemctl restart simwardd; and have the operator let ICMP (fragmentation needed, packet too big) pass',
      { data, becauseOf: ["data-path", "tunnel"] },
    );
  switch (error?.code) {
    case "TLS_EXPIRED":
      return fail(
        `${where}: its certificate is outside its validity: ${reason}`,
        "date -u; where that is right, have the eIM's operator renew its certificate",
        { data, becauseOf: ["clock"] },
      );
    case "TLS_HOST_MISMATCH":
      return fail(
        `${where}: its certificate is for another name than ${serverName}: ${reason}`,
        "set server_name or address in its [[eim.peer]], or have the eIM's operator correct eimFqdn",
        { data },
      );
    case "TLS_UNTRUSTED":
      return fail(
        `${where}: its certificate is not the one trusted (${trust}): ${reason}`,
        "have the eIM's operator compare its certificate with trustedPublicKeyDataTls on the eUICC and update it there (updateEim); simward eim test shows what is pinned",
        { data },
      );
    case "DTLS_ALERT": {
      const alert = alerts.find(({ numbers }) => numbers.includes(Number(/alert (\d+)/.exec(reason)?.[1])));
      return fail(
        `${where}: it refuses${alert === undefined ? "" : `, as ${alert.words}`}: ${reason}`,
        alert?.mend ?? "ask the eIM's operator what it refuses; try another binding in [[eim.peer]]: simward eim test",
        { data },
      );
    }
    default:
      if (/WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG|that are no DTLS/.test(reason))
        return fail(
          `${where} does not come about, since what answers there speaks no ${protocol}: ${reason}`,
          "check address and port of its [[eim.peer]], or have the eIM's operator correct eimFqdn; then simward eim test",
          { data },
        );
      // That nobody listens is an answer: the way to it is well.
      if (/nobody listens|ECONNREFUSED/.test(reason))
        return fail(
          `${where} does not come about: ${reason}`,
          `simward eim test; check address and port of its [[eim.peer]], or have the eIM's operator start what listens at port ${port}`,
          { data, becauseOf: ["netd", "tunnel"] },
        );
      return fail(
        `${where} does not come about: ${reason}`,
        `simward eim test; simward net probe; have the operator let ${scheme(protocol)} port ${port} pass, or try another binding in [[eim.peer]]`,
        { data, becauseOf: ["data-path", "netd", "tunnel"] },
      );
  }
}

const scheme = (protocol: string): string => (protocol === "DTLS" ? "UDP" : "TCP");
