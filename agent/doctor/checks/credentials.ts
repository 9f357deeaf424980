// Check of the secrets that the configuration names: systemd gives them to the daemon, and one that is missing stops what needs it.
import { readFile } from "node:fs/promises";
import { asSimwardError, reasonOf } from "../../../base/errors.ts";
import type { Config } from "../../config/schema.ts";
import { type Check, fail, pass, skip, warn } from "../check.ts";
import type { DoctorContext } from "../context.ts";

/** Name of the credential, and the setting that names it; of what is in use only. */
export function credentialsOf(config: Config): ReadonlyMap<string, string> {
  const named = new Map<string, string>();
  const add = (name: string | undefined, setting: string): void => {
    if (name !== undefined && !named.has(name)) named.set(name, setting);
  };
  const apns = [...config.apn, ...Object.values(config.market).flatMap(({ apn }) => apn)];
  for (const { name, auth, password_credential } of apns) if (auth !== "none") add(password_credential, `APN ${name}`);
  const { tunnel, uplink, injection } = config;
  add(tunnel?.certificate_credential, "tunnel.certificate_credential");
  add(tunnel?.key_credential, "tunnel.key_credential");
  add(tunnel?.secret_credential, "tunnel.secret_credential");
  add(uplink.token_credential, "uplink.token_credential");
  if (injection.enabled) {
    add(injection.certificate_credential, "injection.certificate_credential");
    add(injection.key_credential, "injection.key_credential");
  }
  return named;
}

export const credentialChecks: readonly Check<DoctorContext>[] = [
  {
    name: "keys",
    section: "daemon",
    about:
      "Whether the root key that keys.root names can be read and is one: without it no key of the fleet, and so no token of it, is believed.",
    reach: "nothing",
    run: async ({ running, status }) => {
      const path = running.keys.root;
      if (path === undefined) return skip("keys.root is not set");
      const refusal = await readFile(path).then(
        (content) => (content.length === 0 ? "it is empty" : undefined),
        (error: unknown) => reasonOf(error),
      );
      const mend = `ls -l ${path}; put the fleet's root key there, PEM, readable for the daemon's user; then systemctl restart simwardd`;
      if (refusal !== undefined) return warn(`keys.root ${path} cannot be used: ${refusal}`, mend, { data: { path } });
      const alarm = (await status()).alarms.find(({ code }) => code.startsWith("KEY"));
      return alarm === undefined ? pass(path) : warn(alarm.message, mend, { data: { path } });
    },
  },
  {
    name: "credentials",
    section: "daemon",
    about: "Whether systemd gives the daemon each secret that the configuration names: passwords of APNs, keys of the tunnel, tokens.",
    reach: "nothing",
    run: async ({ running, credential }) => {
      const named = credentialsOf(running);
      if (named.size === 0) return skip("the configuration names none");
      for (const [name, setting] of named) {
        try {
          await credential(name);
        } catch (error) {
          return fail(
            `${setting} needs a secret that the daemon was not given: ${asSimwardError(error).detail ?? ""}`,
            `systemctl edit simwardd, add LoadCredential=${name}:/etc/simward/credentials/${name} under [Service]; then systemctl restart simwardd`,
            { data: { credential: name, setting } },
          );
        }
      }
      return pass([...named.keys()].join(", "));
    },
  },
];
