// Vehicles whose data path is at fault before anybody was ever heard over it.
import { broken } from "../../support/broken.ts";

broken("an operator whose sessions carry nothing, from the beginning: the way is named, not the eIM at its end", {
  faults: { vehicle: { "black-hole": "26298", outage: "26299" } },
  ...{ check: "data-path", level: "warn", cause: /nobody has answered over it so far: not dns 10\.0\.0\.53, .*, eim localhost/ },
  ...{ mend: /simward net probe; simward net scan/, silent: ["dtls-handshake", "tls-handshake", "eim-contact"] },
});
