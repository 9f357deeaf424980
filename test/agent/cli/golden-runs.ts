// What of each verb is run for its golden file, in this order on one vehicle: reads first, then what changes something, then what would end it in words only.
import type { World } from "../../support/e2e.ts";

export interface GoldenRun {
  readonly verb: string;
  readonly args: readonly string[];
  readonly before?: (world: World) => Promise<unknown>;
  /** Only so many lines of it are the same each time. */
  readonly lines?: number;
  /** It is another thing the second time: only its JSON is looked at. */
  readonly once?: boolean;
}

export interface Places {
  readonly dir: string;
  /** ICCIDs. */
  readonly bootstrap: string;
  readonly second: string;
}

const reason = ["--reason", "ticket 123"];
const meant = ["--yes", ...reason];

export function goldenRuns({ dir, second }: Places): readonly GoldenRun[] {
  const run = (verb: string, ...args: readonly string[]): GoldenRun => ({ verb, args });
  const rehearse = (verb: string, ...args: readonly string[]): GoldenRun => run(verb, ...args, "--dry-run");
  return [
    run("status"),
    run("profile list"),
    run("profile show"),
    run("profile rollback"),
    run("profile fallback set"),
    run("profile fallback unset"),
    run("card info"),
    run("card certs"),
    run("card classify"),
    run("eim list"),
    run("eim show"),
    run("emergency status"),
    run("net status"),
    run("net sessions"),
    run("net operators"),
    run("net fplmn show"),
    run("net tunnel"),
    run("modem rat show"),
    run("modem info"),
    run("modem probe"),
    run("modem capture"),
    run("modem apn get"),
    run("modem apn set", "iot.example"),
    run("modem psm"),
    run("modem edrx"),
    run("modem at", "AT+CGMM", ...reason),
    run("modem list", "--sys", `${dir}`, "--dev", `${dir}`),
    run("modem port-owner", `${dir}/code`),
    run("notif list"),
    run("policy show"),
    run("policy explain"),
    run("policy simulate"),
    run("policy set", "usage.throttle_kbps", "64"),
    run("policy market show"),
    run("roaming status"),
    run("roaming days"),
    run("roaming history"),
    run("roaming export"),
    run("roaming rules show"),
    run("usage show"),
    run("usage export"),
    run("imei-lock show"),
    run("keys list"),
    run("lifecycle status"),
    run("lifecycle test-trigger", "--stage", "shipping"),
    run("package last"),
    run("package show"),
    run("package decode", "BF4F03020101"),
    run("trace status"),
    run("trace at", "--id", "none"),
    run("trace apdu", "--last", "1"),
    run("trace es10", "--last", "1"),
    run("trace esipa", "--last", "1"),
    run("trace coap", "--last", "1"),
    run("trace dtls", "--last", "1"),
    run("trace all", "--id", "none"),
    run("log tail", "-n", "1"),
    run("log level"),
    run("audit tail", "-n", "1", "--event", "daemon.started"),
    run("audit query", "--event", "daemon.started"),
    run("audit export", "--event", "daemon.started"),
    run("audit key"),
    run("audit verify", `${dir}/none`),
    { ...run("events", "--after", "0"), lines: 1 },
    run("ui", "--port", "99999"),
    run("config validate", `${dir}/simward.toml`),
    run("config show", `${dir}/simward.toml`),
    run("config schema", "radio."),
    run("completion", "ksh"),
    run("doctor", "--fast"),
    rehearse("eim test"),
    rehearse("bugreport", "-o", `${dir}/bug.tgz`),
    rehearse("trace keep", "always", ...reason),
    rehearse("net probe"),
    rehearse("net scan"),
    run("net register", "99"),
    rehearse("net fplmn clear", ...meant),
    rehearse("net apn test", "iot.example"),
    rehearse("modem rat set", "lte-m"),
    rehearse("modem reset", ...meant),
    run("notif deliver", "--quiet"),
    run("notif drop", "7", "--force", ...meant),
    rehearse("usage limit", "--bytes", "1000", ...reason),
    rehearse("usage reset", ...meant),
    run("emergency on", "--for", "60"),
    run("emergency off"),
    run("eim poll", "--quiet"),
    run("eim add-initial", "BF5700", ...reason),
    run("profile nickname", second, "Fleet Nord"),
    run("profile enable", second, "--quiet"),
    run("profile disable", second),
    run("profile delete", second, ...meant, "--quiet"),
    run("profile download", "--ac", `${dir}/nothing`, "--quiet"),
    rehearse("profile fallback exec"),
    rehearse("profile fallback return"),
    rehearse("profile emergency on"),
    rehearse("profile emergency off"),
    rehearse("profile immediate on"),
    rehearse("profile immediate off"),
    run("package load", `${dir}/package`, ...reason),
    run("roaming rules install", `${dir}/rules.json`, ...reason),
    rehearse("imei-lock pair", ...reason),
    run("imei-lock unlock", "--token", `${dir}/token`, ...reason),
    run("imei-lock repair", "--token", `${dir}/token`, ...reason),
    run("keys install", `${dir}/rules.json`, ...reason),
    rehearse("card memory-reset", "--operational", ...meant),
    rehearse("lifecycle set", "shipping", ...reason),
    rehearse("lifecycle transfer", ...meant),
    rehearse("lifecycle retire", ...meant),
  ];
}
