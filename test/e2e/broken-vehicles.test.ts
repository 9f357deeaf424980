// Vehicles that are broken, one way each: doctor names the cause first, by the right check, and a mend that exists.
import { describe } from "vitest";
import { broken } from "../support/broken.ts";
import { bootstrap, fleet } from "../support/e2e.ts";

describe("the ten of the list that a module, a card and a network can bring about", () => {
  broken("SIM busy", {
    breakIt: ({ fault }) => fault({ vehicle: { sim: "busy" } }),
    ...{ check: "sim", cause: /busy/, mend: /systemctl restart simwardd/, silent: ["card-class", "registration", "data-session", "dns"] },
  });
  broken("PIN required", {
    breakIt: ({ fault }) => fault({ vehicle: { sim: "pin" } }),
    ...{ check: "sim", cause: /PIN/, mend: /PIN/, silent: ["registration", "data-session"] },
  });
  broken("PUK required", {
    breakIt: ({ fault }) => fault({ vehicle: { sim: "puk" } }),
    ...{ check: "sim", cause: /PUK/, mend: /PUK/, silent: ["registration", "data-session"] },
  });
  broken("card removed", {
    breakIt: ({ fault }) => fault({ vehicle: { sim: "absent" } }),
    ...{ check: "sim", cause: /no card/, mend: /reseat/, silent: ["card-class", "registration", "data-session"] },
  });
  broken("no coverage", {
    breakIt: ({ fault }) => fault({ vehicle: { "no-coverage": bootstrap.iccid } }),
    ...{ check: "registration", cause: /no network is found \(/, mend: /antenna/, silent: ["data-session", "dns", "dtls-handshake"] },
  });
  broken("expired eIM certificate", {
    breakIt: ({ fault }) => fault({ eim: { tlsCertificate: "expired" } }),
    ...{ check: "dtls-handshake", cause: /validity/, mend: /renew/ },
  });
  broken("another eIM certificate than pinned", {
    breakIt: ({ fault }) => fault({ eim: { tlsCertificate: "foreign" } }),
    ...{ check: "dtls-handshake", cause: /not the one trusted/, mend: /trustedPublicKeyDataTls/ },
  });
  broken("an eIM certificate for another name", {
    breakIt: ({ fault }) => fault({ eim: { tlsCertificate: "wrongHost" } }),
    ...{ check: "dtls-handshake", cause: /another name/, mend: /server_name/ },
  });
  broken("wrong card class: no eUICC", {
    cardRole: "uicc",
    ...{ check: "card-class", cause: /no eUICC/, mend: /put an eUICC/, silent: ["eim-configured", "profile-enabled"] },
  });
  broken("wrong card class: M2M", {
    cardRole: "sgp02",
    ...{ check: "card-class", level: "warn" as const, cause: /M2M eUICC \(SGP\.02\)/, mend: /SGP\.32/ },
  });
  broken("clock at 1970", {
    breakIt: ({ clock }) => clock.setWall({ ms: 12_000, source: "none" }),
    ...{ check: "clock", cause: /1970/, mend: /timedatectl/ },
  });
  broken("disk full", {
    breakIt: ({ disk }) => disk.setFull(true),
    ...{ check: "disk", cause: /no space left/, mend: /df -h/ },
  });
  broken("wrong APN", {
    ...{ config: '[lifecycle]\nfirst = "factory_test"\ntest_apn = "nosuch.apn"\n', offline: true },
    ...{ check: "apn", cause: /APN/, mend: /simward net apn test/, silent: ["data-session", "dns"] },
  });
});

describe("others that are met in the field", () => {
  broken("antenna off: the cells are hardly received", {
    faults: { vehicle: { signal: "26298:-128", outage: "26299" } },
    ...{ check: "signal", cause: /-12[78] dBm/, mend: /antenna/ },
  });
  broken("roaming refused (cause 13)", {
    faults: { vehicle: { refuse: "26298:13", outage: "26299" } },
    offline: true,
    ...{ check: "registration", cause: /cause 13 \(roaming is not allowed/, mend: /profile that may roam/, silent: ["data-session"] },
  });
  broken("module in flight mode by somebody else's hand", {
    breakIt: ({ modem }) => modem.setFunction(4),
    ...{ check: "module-radio", cause: /flight mode \(\+CFUN: 4\)/, mend: /systemctl restart simwardd/, silent: ["registration"] },
  });
  broken("the name of the eIM is not found", {
    config: '[[eim.peer]]\neim_id = "eim.example.com"\naddress = "eim.invalid:5684"\n',
    ...{ check: "dns", cause: /eim\.invalid is not found/, mend: /getent hosts eim\.invalid/, silent: ["dtls-handshake", "tls-handshake"] },
  });
  broken("nobody listens at the eIM", {
    config: '[[eim.peer]]\neim_id = "eim.example.com"\naddress = "127.0.0.1:9"\nserver_name = "localhost"\n',
    ...{ check: "dtls-handshake", cause: /127\.0\.0\.1:9/, mend: /simward eim test/ },
  });
  broken("no profile enabled on the card", {
    breakIt: ({ order, poll, agent }) =>
      agent.ipa.euicc
        .withEuicc("test", async () => undefined)
        .then(() => order({ kind: "euiccPackage", psmos: [{ disable: { iccid: bootstrap.iccid } }] }))
        .then(() => poll()),
    installed: [fleet],
    ...{ check: "profile-enabled", cause: /none of the 2 profiles/, mend: /simward profile/, silent: ["registration"] },
  });
  broken("an emergency under way", {
    breakIt: ({ agent }) => agent.setEmergency("test", { active: true }),
    ...{ check: "emergency", level: "warn" as const, cause: /emergency is under way \(api/, mend: /simward emergency off/ },
  });
  broken("suspended", {
    breakIt: ({ agent }) => agent.lifecycle.setStage({ role: "admin", peer: undefined }, { stage: "suspended", reason: "unpaid" }),
    ...{
      check: "lifecycle",
      level: "warn" as const,
      cause: /suspended since .*unpaid/,
      mend: /simward lifecycle set operational/,
      silent: ["policy"],
    },
  });
  broken("an operator whose sessions carry nothing", {
    breakIt: async ({ poll, fault }) => {
      await poll();
      await fault({ vehicle: { "black-hole": "26298", outage: "26299" } });
    },
    ...{ check: "data-path", cause: /nothing passes/, mend: /simward net probe/ },
  });
  broken("a module that falls silent", {
    breakIt: ({ fault }) => fault({ vehicle: { hang: true } }),
    ...{
      check: "module-answers",
      cause: /does not answer/,
      mend: /simward modem list --ask/,
      silent: ["sim", "card-class"],
    },
  });
  broken("radio settings that the module does not know", {
    config: '[radio]\npsm = "on"\npsm_periodic_tau_seconds = 3600\npsm_active_seconds = 10\n',
    ...{ check: "rat", level: "warn" as const, cause: /the module does not know it/, mend: /correct \[radio\]/ },
  });
  broken("PSM asked for and refused while roaming", {
    personality: "quectel-bg95",
    config: '[radio]\npsm = "on"\npsm_periodic_tau_seconds = 3600\npsm_active_seconds = 10\n',
    ...{ check: "power-saving", level: "warn" as const, cause: /refuses PSM/, mend: /simward modem psm/ },
  });
});
