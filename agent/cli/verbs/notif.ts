// simward notif list, deliver: what the eUICC has to tell SM-DP+s. Delivered by itself; this is for who does not want to wait.
import type { NotificationDelivery, NotificationList } from "../../api/types.ts";
import { exitCodeOf, exitCodes } from "../exit.ts";
import type { Verb } from "../verb.ts";

export const notifList: Verb = {
  name: "notif list",
  summary: "notifications that wait on the eUICC, in the order in which they are delivered",
  example: "simward notif list",
  async run({ api, out }) {
    const list = await api("viewer").call<NotificationList>("GET", "/v1/notifications");
    out.result(list, () =>
      list.notifications.length === 0
        ? "none wait"
        : out.table([
            ["NUMBER", "EVENT", "RECEIVER"].map((head) => out.paint("bold", head)),
            ...list.notifications.map(({ seqNumber, event, receiver }) => [String(seqNumber), event, receiver]),
          ]),
    );
    return undefined;
  },
};

export const notifDeliver: Verb = {
  name: "notif deliver",
  summary: "deliver notifications now; it is also done by itself",
  example: "simward notif deliver",
  timeoutSeconds: 600,
  async run({ api, out }) {
    const done = await api("engineer").call<NotificationDelivery>("POST", "/v1/notifications/deliver", {});
    const { delivered, remaining, error } = done;
    out.result(done, () => {
      const text = `${delivered} delivered, ${remaining} ${remaining === 1 ? "waits" : "wait"}`;
      return error === undefined ? text : `${text}\n${out.paint("yellow", error.code)}: ${error.message}\n  next: ${error.next}`;
    });
    if (error === undefined) return undefined;
    return delivered > 0 ? exitCodes.partial : exitCodeOf(error.code);
  },
};
