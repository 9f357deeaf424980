// simward keys list, install: the fleet's keys that this vehicle believes. How a ring is made: docs/policy.md.
import type { KeyRingReport } from "../../api/types.ts";
import { contentOf, signatureFile, textOf } from "../given.ts";
import type { Output } from "../output.ts";
import { needReason, type Verb } from "../verb.ts";

export const keysList: Verb = {
  name: "keys list",
  summary: "the fleet's keys that this vehicle believes, by purpose, and the root that vouches for them",
  example: "simward keys list",
  async run({ api, out }) {
    const keys = await api("viewer").call<KeyRingReport>("GET", "/v1/keys");
    out.result(keys, () => rendered(keys, out));
    return undefined;
  },
};

export const keysInstall: Verb = {
  name: "keys install",
  summary: "install a key ring that the root has signed (docs/policy.md); over the admin's socket",
  example: "simward keys install keyring.json --signature keyring.sig --reason 'rotation 2026'",
  args: [{ name: "ring", help: "the file" }],
  options: [
    { flags: "--signature <file>", help: "the root's signature over the file's octets, as openssl writes it; <ring>.sig by default" },
  ],
  async run(context, input) {
    const { api, out } = context;
    const [file = ""] = input.args;
    const reason = needReason(input);
    const beside = signatureFile(input, file);
    const ring = await textOf(context, file);
    const signature = (await contentOf(context, beside)).toString("base64");
    const keys = await api("admin").call<KeyRingReport>("POST", "/v1/keys", { ring, signature, reason });
    out.result(keys, () => `${out.paint("green", keys.outcome ?? "installed")}\n${rendered(keys, out)}`);
    return undefined;
  },
};

function rendered({ roots, version, issued, note, keys, revoked }: KeyRingReport, out: Output): string {
  const head = [
    `root ${roots.length === 0 ? out.paint("yellow", "none configured") : roots.join(", ")}`,
    version === undefined ? "no key ring is installed" : `ring ${version} of ${issued ?? "?"}${note === undefined ? "" : `: ${note}`}`,
    ...(revoked.length === 0 ? [] : [`revoked ${revoked.join(", ")}`]),
  ].join("\n");
  if (keys.length === 0) return head;
  const rows = keys.map(({ purpose, id, algorithm, fingerprint }) => [purpose, id, algorithm, fingerprint]);
  return `${head}\n${out.table([["PURPOSE", "ID", "ALGORITHM", "FINGERPRINT"], ...rows])}`;
}
