// Checks of the way for data: APN and session, the kernel's side, the tunnel, whether anything passes, names, and throttling.
import { readFile } from "node:fs/promises";
import { asSimwardError, SimwardError } from "../../../base/errors.ts";
import { esmCauseOfText, esmFailure, sessionCauseText } from "../../connectivity/causes.ts";
import { type Check, fail, pass, skip, warn } from "../check.ts";
import type { DoctorContext } from "../context.ts";

const userMend =
  "set auth, user and password_credential of its [[apn]] as the operator gave them, and have the unit load that secret (LoadCredential=), then systemctl restart simwardd; simward net sessions shows what the network answers";
const isOfUser = (reason: string): boolean => /user or password|ESM cause 29/.test(reason);

/** In words, where the network takes no attachment for its session's sake (EMM cause 19) and the module knows why. */
async function refusedSession({ status, radio }: DoctorContext["modem"], signal: AbortSignal): Promise<string | undefined> {
  if (status.registration.rejectCause !== esmFailure) return undefined;
  const known = await radio.failureCause(signal);
  const cause = known?.kind === "esm" ? known.cause : known === undefined ? undefined : esmCauseOfText(known.text);
  return cause === undefined ? undefined : sessionCauseText(cause);
}

export const pathChecks: readonly Check<DoctorContext>[] = [
  {
    name: "apn",
    section: "path",
    about:
      "Whether the configured APN is the one that works: a network that does not know it, or refuses its user, says so; a wrong one may leave the vehicle on the former.",
    reach: "module",
    needs: ["sim", "profile-enabled"],
    run: async ({ status, net, running, modem }, signal) => {
      const { alarms } = await status();
      const { path } = await net();
      const alarm = alarms.find(({ code }) => code === "APN_FAILED");
      const test = "correct [[apn]] in the configuration, then systemctl restart simwardd; try one before with: simward net apn test NAME";
      const apn = path.apn ?? "";
      const data = { apn, configured: running.apn.map(({ name }) => name) };
      const more = { data, becauseOf: ["credentials"] };
      if (alarm !== undefined) return path.up ? warn(alarm.message, test, more) : fail(alarm.message, test, more);
      const named = apn === "" ? "" : ` (APN ${JSON.stringify(apn)})`;
      if (!path.up && path.reason !== undefined && /\bAPN\b|ESM cause|user or password/i.test(path.reason))
        return fail(`${path.reason}${named}`, isOfUser(path.reason) ? userMend : test, more);
      // Why an attach fails is known to the module long before it is given up here.
      const told = path.up ? undefined : await refusedSession(modem, signal).catch(() => undefined);
      if (told !== undefined) return fail(`${told}${named}`, isOfUser(told) ? userMend : test, more);
      if (running.apn.length === 0 && !path.up) return warn("no [[apn]] is configured, so the network's own is used", test, { data });
      return pass(apn === "" ? "the network's own" : apn, data);
    },
  },
  {
    name: "data-session",
    section: "path",
    about: "Whether the network gave a session with an address, and why not.",
    reach: "nothing",
    needs: ["module-radio", "registration", "apn"],
    run: async ({ net }) => {
      const { path } = await net();
      if (path.up)
        return pass(
          `${path.address ?? "up"}${path.apn === undefined ? "" : `, APN ${path.apn}`}`,
          path.address === undefined ? undefined : { address: path.address },
        );
      return fail(`there is no data session: ${path.reason ?? "not yet connected"}`, "simward net status; simward net sessions", {
        becauseOf: ["credentials", "netd", "policy", "lifecycle", "emergency", "registration"],
      });
    },
  },
  {
    name: "netd",
    section: "path",
    about:
      "Whether simward-netd answers, which puts the session on an interface, and whether that interface is up; only where [net] says that simward does.",
    reach: "nothing",
    run: async ({ running, askNetd, status }) => {
      if (running.net.mode === "none" || askNetd === undefined)
        return skip("[net] mode is none: the platform brings the session to the kernel");
      const { alarms, network } = await status();
      // Who is not served hears other things too, all of them for that.
      const alarm =
        alarms.find(({ code }) => code === "NETD_FORBIDDEN") ??
        alarms.find(({ code }) => code.startsWith("NETD_") || code === "NET_INTERFACE" || code.startsWith("FIREWALL_"));
      const socket = running.net.netd_socket;
      if (alarm !== undefined)
        return fail(alarm.message, alarm.code.startsWith("NETD_") ? netdMend(alarm.message, alarm, socket) : alarm.next);
      try {
        await askNetd("firewall-read", network.interface === undefined ? {} : { interface: network.interface });
      } catch (error) {
        const known = asSimwardError(error);
        if (known.code === "NETD_ABSENT" || known.code === "NETD_FORBIDDEN")
          return fail(known.message, netdMend(known.message, known, socket));
        // That verb is newer than the others; that something answered is what counts.
      }
      return pass(network.interface === undefined ? "no session on an interface now" : `the session is on ${network.interface}`);
    },
  },
  {
    name: "tunnel",
    section: "path",
    about: "Whether the IPsec tunnel is up, where [tunnel] has one: the fleet's traffic may depend on it.",
    reach: "nothing",
    needs: ["data-session"],
    run: ({ tunnel, clock }) => {
      const { configured, required, phase, problem, gateway = "", certificates } = tunnel();
      if (!configured) return skip("no [tunnel] is configured");
      const data = { phase, required, gateway };
      const { ms, source } = clock.wall();
      const [ending] = [...certificates].sort((a, b) => Date.parse(a.ends) - Date.parse(b.ends));
      const isEnding = ending !== undefined && source !== "none" && Date.parse(ending.ends) - ms < 30 * 86_400_000;
      if (phase === "up")
        return isEnding
          ? warn(
              `the certificate of the tunnel (${ending.whose}: ${ending.name}) ends at ${ending.ends}`,
              "renew it, then systemctl restart simwardd; simward net tunnel",
              { data },
            )
          : pass(`up to ${gateway}`, data);
      const words = `the tunnel to ${gateway} is not up (${phase})${problem === undefined ? "" : `: ${problem.message}`}`;
      const mend = `simward net tunnel; ${problem?.next ?? "simward log tail"}`;
      const more = { data, becauseOf: ["credentials", "dns", "clock", "emergency"] };
      return required ? fail(words, mend, more) : warn(words, mend, more);
    },
  },
  {
    name: "data-path",
    section: "path",
    about: "Whether anything passes over the session: resolvers, hosts of [probe] and eIMs are asked.",
    reach: "network",
    needs: ["data-session"],
    run: async ({ probe, net, running }) => {
      const { path, answers } = await probe();
      const silent = answers.filter(({ answered }) => !answered).map(({ target }) => target);
      const heard = answers.filter(({ answered }) => answered);
      const data = { verdict: path.verdict, silent };
      const mute = silent.filter((target) => target.startsWith("dns "));
      // Where the interface is the platform's, so are names.
      if (running.net.mode !== "none" && heard.length > 0 && mute.length > 0 && !heard.some(({ target }) => target.startsWith("dns ")))
        return warn(
          `data passes (${heard.map(({ target }) => target).join(", ")}), and no name server of the network answers: ${mute.join(", ")}; names that were found before are still used for a day`,
          "simward net probe; have the operator look at its name servers; or give the eIM an address in place of its name in [[eim.peer]]",
          { data, becauseOf: ["policy", "netd", "tunnel"] },
        );
      if (heard.length > 0)
        return pass(`${heard.map(({ target, roundTripMs }) => `${target} after ${roundTripMs ?? "?"} ms`).join(", ")}`, data);
      const { dns = [] } = (await net()).path;
      const mend = "simward net probe; simward net scan; then have the operator look into the APN's routing";
      if (path.verdict === "dead" || path.verdict === "doubtful" || path.everyOperatorTried === true)
        return fail(`there is a session, and nothing passes over it: no answer from ${silent.join(", ")}`, mend, {
          data,
          becauseOf: ["policy", "netd", "tunnel"],
        });
      if (answers.length === 0) return pass(dns.length === 0 ? "nobody is configured to be asked" : "nobody answered yet", data);
      const others = ["policy", "netd", "tunnel"];
      // Where the network's own name servers are as silent as the eIM, it is the way that they have in common.
      if (silent.some((target) => !target.startsWith("eim ")))
        return warn(
          `there is a session, and nobody has answered over it so far: not ${silent.join(", ")}`,
          `${mend}; where it carries data nevertheless, set probe.hosts to a host that surely answers`,
          { data, becauseOf: others },
        );
      return warn(
        `nobody has answered a probe so far: ${silent.join(", ")}`,
        "simward net probe; set probe.hosts to a host that surely answers",
        { data, becauseOf: ["dns", "dtls-handshake", "tls-handshake", ...others] },
      );
    },
  },
  {
    name: "dns",
    section: "path",
    about: "Whether the names of the eIMs are found.",
    reach: "network",
    needs: ["eim-configured", "data-session"],
    run: async ({ eims, resolve, net, running, resolvConf = "/etc/resolv.conf" }, signal) => {
      const hosts = [...new Set((await eims()).flatMap(({ access }) => (access === undefined ? [] : [access.endpoint.host])))];
      if (hosts.length === 0) return skip("no eIM has an address");
      const found: string[] = [];
      for (const host of hosts) {
        try {
          found.push(`${host} is ${(await resolve(host, signal)).join(", ")}`);
        } catch (error) {
          signal.throwIfAborted();
          const { dns = [] } = (await net()).path;
          const code = (error as NodeJS.ErrnoException).code ?? "unknown";
          const words = error instanceof SimwardError ? error.message : code;
          if (running.net.mode === "none" && !(await namesServers(resolvConf)))
            return fail(
              `the address of ${host} is not found (${words}): ${resolvConf} names no name server`,
              `ls -l ${resolvConf}; resolvectl status; have whatever brings the interface up write a line "nameserver ADDRESS" there; getent hosts ${host}`,
              { data: { host, code } },
            );
          return fail(
            `the address of ${host} is not found (${words})${dns.length === 0 ? "" : `; the network's resolvers are ${dns.join(", ")}`}`,
            `getent hosts ${host}; resolvectl status; or give the eIM another address in [[eim.peer]]`,
            // That there is no such name is an answer: the way is well.
            { data: { host, code }, becauseOf: /NOT_?FOUND|REFUSED/.test(code) ? ["netd"] : ["data-path", "netd"] },
          );
        }
      }
      return pass(found.join("; "));
    },
  },
  {
    name: "throughput",
    section: "path",
    about: "Whether the last large transfers were all well below the best of this network: an operator that throttles.",
    reach: "nothing",
    needs: ["data-session"],
    run: async ({ net }) => {
      const { throttled, bitsPerSecond, bestBitsPerSecond } = (await net()).path;
      if (bitsPerSecond === undefined) return skip("no large transfer was made in this network");
      const words = `${Math.round(bitsPerSecond / 1_000)} kbit/s of ${Math.round((bestBitsPerSecond ?? bitsPerSecond) / 1_000)} kbit/s at best`;
      const data = { bitsPerSecond, ...(bestBitsPerSecond === undefined ? {} : { bestBitsPerSecond }) };
      return throttled === true
        ? warn(
            `the network seems to throttle: ${words}`,
            "ask the operator for the subscription's rate while roaming; simward net scan shows other networks",
            { data },
          )
        : pass(words, data);
    },
  },
];

/** Of resolv.conf(5); one that cannot be read has none. */
async function namesServers(path: string): Promise<boolean> {
  return /^\s*nameserver\s+\S/m.test(await readFile(path, "utf8").catch(() => ""));
}

const netdLook = "systemctl status simward-netd.socket simward-netd; journalctl -u simward-netd -n 50";

/** By what has kept simward-netd from doing its work. */
function netdMend(message: string, { code, next }: { readonly code: string; readonly next: string }, socket: string): string {
  const uid = /uid (\d+)$/.exec(message)?.[1];
  if (code === "NETD_FORBIDDEN" && uid !== undefined)
    return `sed -i "s/^SIMWARD_UID=.*/SIMWARD_UID=${uid}/" /etc/simward/netd.env; systemctl restart simward-netd`;
  if (code === "NETD_FORBIDDEN" || code === "NETD_PROGRAM") return next;
  if (code === "NETD_ABSENT" && /EACCES/.test(message)) return `ls -l ${socket}; systemctl restart simward-netd.socket`;
  if (code === "NETD_ABSENT" && /ENOENT|ECONNREFUSED/.test(message)) return `systemctl restart simward-netd.socket; ${netdLook}`;
  return netdLook;
}
