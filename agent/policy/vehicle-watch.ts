// What policies are told of the vehicle, kept up to date: identities, network, country, clock. Tells only when something of it has changed.
import type { Modem } from "../../at-drivers/modem.ts";
import type { Clock, Disposer } from "../../base/clock.ts";
import { asSimwardError, isCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { countryOf } from "../../base/mcc.ts";
import { dayOf } from "../roaming/days.ts";
import type { VehicleFacts } from "./types.ts";

export interface VehicleWatchOptions {
  readonly modem: Pick<Modem, "status" | "imsi" | "onEvent">;
  readonly onPath: (fn: (path: { readonly up: boolean }) => void) => Disposer;
  readonly eid: () => string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly onChange: (facts: VehicleFacts) => void;
}

export interface VehicleWatch {
  readonly facts: VehicleFacts;
  /** Something that no event tells of may have changed. */
  look(): void;
  stop(): void;
}

const lookMs = 60_000;
const registeredStatus = ["home", "roaming"];

export function watchVehicle(options: VehicleWatchOptions): VehicleWatch {
  const { modem, clock, log } = options;
  let lastPlmn: string | undefined;
  let dataSession = false;
  let subscriber: { readonly iccid: string; readonly imsi: string } | undefined;
  let isAsking = false;
  let stopped = false;
  let told: string | undefined;

  const gather = (): VehicleFacts => {
    const { imei, iccid, registration } = modem.status;
    const wall = clock.wall();
    const registered = registeredStatus.includes(registration.status);
    if (registered) lastPlmn = registration.plmn ?? lastPlmn;
    const imsi = subscriber?.iccid === iccid ? subscriber?.imsi : undefined;
    return {
      imei,
      eid: options.eid(),
      iccid,
      imsi,
      plmn: lastPlmn,
      country: countryOf(lastPlmn),
      homeCountry: countryOf(imsi),
      roaming: registered ? registration.status === "roaming" : undefined,
      registered,
      dataSession,
      clockTrusted: wall.source === "nitz" || wall.source === "network",
      todayDay: dayOf(wall.ms),
    };
  };
  let facts = gather();

  /** An IMSI is the card's answer alone, and asked for once for each profile. */
  const askSubscriber = async (): Promise<void> => {
    const { iccid, link } = modem.status;
    if (isAsking || stopped || link !== "ready" || iccid === undefined || subscriber?.iccid === iccid) return;
    isAsking = true;
    try {
      const imsi = await modem.imsi();
      if (modem.status.iccid === iccid) subscriber = { iccid, imsi };
    } catch (error) {
      // A card that is busy, or without a profile, is asked again later.
      if (!isCode(error, "PORT_CLOSED", "MODEM_ABSENT")) log.debug("the IMSI could not be read", { error: asSimwardError(error) });
      return;
    } finally {
      isAsking = false;
    }
    look();
  };

  const look = (): void => {
    if (stopped) return;
    facts = gather();
    const now = JSON.stringify(facts);
    if (now !== told) {
      told = now;
      options.onChange(facts);
    }
    void askSubscriber();
  };

  const disposers = [
    clock.every(lookMs, look),
    modem.onEvent(look),
    options.onPath(({ up }) => {
      dataSession = up;
      look();
    }),
  ];
  look();
  return {
    get facts() {
      return facts;
    },
    look,
    stop() {
      stopped = true;
      for (const dispose of disposers) dispose();
    },
  };
}
