// simward profile list: the profiles on the card.
import type { ProfileList } from "../../api/types.ts";
import type { Verb } from "../verb.ts";

export const profileList: Verb = {
  name: "profile list",
  summary: "the profiles on the eUICC and which one is enabled",
  example: "simward profile list --show-ids",
  async run({ api, out }) {
    const list = await api("viewer").call<ProfileList>("GET", "/v1/profiles");
    out.result(list, () =>
      out.table([
        ["ICCID", "STATE", "CLASS", "NAME", "PROVIDER", "ISD-P"].map((head) => out.paint("bold", head)),
        ...list.profiles.map((p) => [
          p.iccid,
          p.state === "enabled" ? out.paint("green", p.state) : p.state,
          p.profileClass ?? "",
          p.nickname ?? p.name ?? "",
          p.serviceProvider ?? "",
          p.isdpAid ?? "",
        ]),
      ]),
    );
    return undefined;
  },
};
