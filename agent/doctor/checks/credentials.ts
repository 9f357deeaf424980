// Check of the secrets that the configuration names: systemd gives them to the daemon, and one that is missing stops what needs it.
import { asSimwardError } from "../../../base/errors.ts";
import type { Config } from "../../config/schema.ts";
import { type Check, fail, pass, skip } from "../check.ts";
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
