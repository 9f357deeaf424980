// Routes of what is ordered on the vehicle itself: profiles, notifications, the eUICC's memory, its first eIMs. Codes are secrets: they come in the body
// and go nowhere else.
import { array, boolean, maxBytes, maxLength, nonEmpty, optional, picklist, pipe, regex, strictObject, string } from "valibot";
import { reason, text } from "./input.ts";
import { type Route, route } from "./route.ts";

const target = text(64);

export const profileRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/v1/profiles/download",
    access: "engineer",
    summary:
      "Downloads and installs a profile by its activation code; it stays disabled. The answer comes when it is installed, or says why it is not; it goes " +
      "on when the client leaves.",
    answer: "simward/profile-downloaded/1",
    example: '{"activationCode":"LPA:1$dp.example.com$MATCHING-ID"}',
    input: strictObject({ activationCode: text(512), confirmationCode: optional(text(128)) }),
    run: ({ services, role, peer }, order) => services.local.downloadProfile({ role, peer }, order),
  }),
  route({
    method: "POST",
    path: "/v1/profiles/enable",
    access: "engineer",
    summary:
      "Enables the profile of that ICCID or nickname, or of the one beginning that only one has, and waits for its network; where there is none, the " +
      "former one is enabled again. `CARD_EIM_MANAGED` on an IoT eUICC with an eIM.",
    answer: "simward/profile-change/1",
    example: '{"target":"8946"}',
    input: strictObject({ target, reason: optional(reason) }),
    run: ({ services, role, peer }, order) => services.local.enableProfile({ role, peer }, order),
  }),
  route({
    method: "POST",
    path: "/v1/profiles/disable",
    access: "engineer",
    summary: "Disables it, after which none is enabled: only with `goesDark` and a reason.",
    answer: "simward/profile-change/1",
    example: '{"target":"8946","goesDark":true,"reason":"ticket 123"}',
    input: strictObject({ target, goesDark: optional(boolean()), reason: optional(reason) }),
    run: ({ services, role, peer }, order) => services.local.disableProfile({ role, peer }, order),
  }),
  route({
    method: "POST",
    path: "/v1/profiles/delete",
    access: "engineer",
    summary: "Deletes a disabled profile. The last one that could be gone back to: an admin, with a reason.",
    answer: "simward/profile-change/1",
    example: '{"target":"8946","reason":"ticket 123"}',
    input: strictObject({ target, reason: optional(reason) }),
    run: ({ services, role, peer }, order) => services.local.deleteProfile({ role, peer }, order),
  }),
  route({
    method: "POST",
    path: "/v1/profiles/nickname",
    access: "engineer",
    summary: "Gives a profile a nickname, or takes it away with an empty one.",
    answer: "simward/profile-change/1",
    example: '{"target":"8946","nickname":"Fleet"}',
    input: strictObject({ target, nickname: pipe(string(), regex(/^\P{Cc}*$/u, "must be one line"), maxLength(64), maxBytes(64)) }),
    run: ({ services, role, peer }, order) => services.local.nameProfile({ role, peer }, order),
  }),
  route({
    method: "GET",
    path: "/v1/notifications",
    access: "viewer",
    summary: "What waits on the eUICC for SM-DP+s, in the order in which it is delivered.",
    answer: "simward/notifications/1",
    input: strictObject({}),
    run: ({ services }) => services.local.notifications(),
  }),
  route({
    method: "POST",
    path: "/v1/notifications/deliver",
    access: "engineer",
    summary: "One round of delivery now; it is also made by itself.",
    answer: "simward/notification-delivery/1",
    example: "{}",
    input: strictObject({}),
    run: ({ services, role, peer }) => services.local.deliverNotifications({ role, peer }),
  }),
  route({
    method: "POST",
    path: "/v1/card/memory-reset",
    access: "admin",
    summary: "eUICCMemoryReset (SGP.32 §5.9.5, SGP.22 §5.7.19): deletes what is named, for good. With a reason, which is audited.",
    answer: "simward/memory-reset/1",
    example: '{"options":["deleteOperationalProfiles"],"reason":"ticket 123"}',
    input: strictObject({
      options: pipe(
        array(
          picklist([
            "deleteOperationalProfiles",
            "deleteFieldLoadedTestProfiles",
            "resetDefaultSmdpAddress",
            "deletePreLoadedTestProfiles",
            "deleteProvisioningProfiles",
            "resetEimConfigData",
            "resetImmediateEnableConfig",
          ]),
        ),
        nonEmpty("must name what to reset"),
      ),
      reason,
    }),
    run: ({ services, role, peer }, order) => services.local.resetMemory({ role, peer }, order),
  }),
  route({
    method: "POST",
    path: "/v1/eim/add-initial",
    access: "admin",
    summary:
      "ES10b.AddInitialEim (SGP.32 §5.9.4): associates the first eIMs, which from then on manage the eUICC. `configuration`: an AddInitialEimRequest or an " +
      "EimConfigurationData, DER in hex. With a reason, which is audited.",
    answer: "simward/eims-added/1",
    example: '{"configuration":"BF570430028000","reason":"ticket 123"}',
    input: strictObject({
      configuration: pipe(string(), regex(/^([0-9A-Fa-f]{2})+$/, "must be hex"), maxLength(60_000)),
      reason,
    }),
    run: ({ services, role, peer }, order) => services.local.addInitialEim({ role, peer }, order),
  }),
];
