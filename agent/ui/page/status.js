// What the documents of the vehicle look like: status, roaming days, usage, and the days of it. From a document to nodes.
// What is refused is said in its place.
import { ago, at, bytes, chip, draw, el, joined, moment, show, soft, span, table, tones, unit } from "./nodes.js";

export function showStatus(status) {
  const { network, card = {}, profiles, eims, emergency, alarms } = status;
  document.title = alarms.length > 0 ? `(${alarms.length}) simward` : "simward";
  at("clock").textContent = `${moment(status.time)}, by ${status.timeSource} · up for ${span(status.uptimeMs)} · version ${status.version}`;
  show("alarms", alarms, () => (alarms.length === 0 ? [el("p", {}, chip("none", "good"), " Nothing needs a person.")] : alarms.map(alarm)));
  at("emergency").hidden = emergency === undefined;
  show("emergency", emergency?.sources, () => {
    const sources = emergency?.sources.join(", ");
    return [el("strong", {}, `Emergency (${sources}). `), "Nothing is reset, switched, downloaded or polled for until it is over."];
  });
  const { data } = status;
  // A warning is an alarm too, and said there.
  at("data").hidden = data?.verdict !== "refuse" && data?.verdict !== "throttle";
  at("data").className = data?.verdict === "refuse" ? "note bad" : "note";
  show("data", data, () =>
    data === undefined
      ? []
      : [
          el(
            "p",
            {},
            el("strong", {}, `${dataWords[data.verdict]}. `),
            joined(data.reason, data.carriedOut && carriedOut[data.carriedOut], data.until && `until ${moment(data.until)}`),
          ),
          data.next ? el("p", {}, el("strong", {}, "Next: "), data.next) : [],
        ],
  );
  show("network", network, () => [
    el(
      "p",
      {},
      chip(network.registration, network.address ? "good" : "warn"),
      " ",
      chip(network.address ? "online" : "no data session", network.address ? "good" : "bad"),
    ),
    table([
      ["Operator", joined(network.plmn, network.roaming === undefined ? undefined : network.roaming ? "roaming" : "home")],
      ["RAT", network.rat],
      ["Signal", joined(unit(network.rsrpDbm, "dBm RSRP"), unit(network.rsrqDb, "dB RSRQ"), unit(network.sinrDb, "dB SINR"))],
      ["Cell", joined(network.tac && `TAC ${network.tac}`, network.cellId)],
      ["Refused", network.refused],
      ["APN", network.apn],
      ["Address", network.address],
      ["Interface", network.interface],
      ["Data path", joined(network.probe, network.roundTripMs === undefined ? undefined : `${network.roundTripMs} ms round trip`)],
      ["May use", network.rats?.join(", ")],
      ["Power saving", joined(network.psm && `PSM ${network.psm}`, network.edrx && `eDRX ${network.edrx}`)],
    ]),
  ]);
  show("profiles", profiles, () => (profiles.length === 0 ? soft("None on the card.") : profiles.map(profile)));
  show("card", card, () =>
    table([
      ["Class", card.class],
      ["Told by", card.classReason],
      ["EID", card.eid && el("code", {}, card.eid)],
      ["SGP.32", joined(card.sgp32Version, card.ipaMode)],
      ["SGP.22", card.sgp22Version],
      [
        "Toolkit",
        card.toolkit &&
          `SMS ${card.toolkit.sms}, BIP ${card.toolkit.bip}${card.toolkit.missing.length ? `; missing: ${card.toolkit.missing.join(", ")}` : ""}`,
      ],
      ["Free memory", card.freeNvmBytes === undefined ? undefined : bytes(card.freeNvmBytes)],
    ]),
  );
  const { module } = network;
  show("module", [module, network.link, network.reason, network.imei, network.port], () => [
    el("p", {}, chip(network.link, network.link === "ready" ? "good" : "warn"), " ", network.reason ?? ""),
    table([
      ["Model", module && `${module.manufacturer} ${module.model}`],
      ["Firmware", module?.revision],
      ["Family", module?.family],
      ["IMEI", network.imei && el("code", {}, network.imei)],
      ["Port", network.port],
    ]),
  ]);
  showVehicle(status);
  const untilPoll = (eim) => (eim.nextPollInMs === undefined ? undefined : `in ${span(eim.nextPollInMs)}`);
  show("eims", [eims, eims.map((eim) => eim.lastContact && ago(eim.lastContact, status.time))], () =>
    eims.length === 0
      ? soft("None is associated with this card.")
      : eims.map((eim) =>
          el(
            "div",
            { class: "item" },
            el("h3", {}, eim.eimId),
            table([
              ["At", `${eim.host}:${eim.port} · ${eim.binding}`],
              [
                "Last contact",
                eim.lastContact === undefined ? "never" : `${ago(eim.lastContact, status.time)} (${moment(eim.lastContact)})`,
              ],
              ["Next poll", untilPoll(eim)],
            ]),
            eim.lastError === undefined ? [] : alarm(eim.lastError),
          ),
        ),
  );
}

const dataWords = {
  allow: "The fleet's data passes",
  warn: "The fleet's data passes",
  throttle: "The fleet's data is slowed down",
  refuse: "The fleet's data is held back",
};
const carriedOut = {
  firewall: "by the firewall",
  module: "by keeping the data session down",
  waiting: "the firewall is not set yet",
  nobody: "nothing on this vehicle carries it out",
};

function showVehicle({ stage, imeiLock, tunnel, data, fallback, operation, pending, audit }) {
  show("vehicle", [stage, imeiLock, tunnel, data, fallback, operation, pending, audit.seq], () =>
    table([
      ["Life", stage && chip(stage.replaceAll("_", " "))],
      ["IMEI lock", imeiLock && chip(imeiLock, tones[imeiLock] ?? "")],
      [
        "Tunnel",
        tunnel && el("span", {}, chip(tunnel.phase, tones[tunnel.phase] ?? "warn"), tunnel.required ? " required" : " not required"),
      ],
      [
        "Fleet data",
        data &&
          chip(
            { refuse: "held back", throttle: "slowed down", warn: "passes, warned" }[data.verdict] ?? "passes",
            { refuse: "bad", throttle: "bad", warn: "warn" }[data.verdict] ?? "good",
          ),
      ],
      [
        "Fallback",
        fallback &&
          joined(
            fallback.phase,
            fallback.failedReturns ? `${fallback.failedReturns} failed returns` : undefined,
            fallback.nextInMs === undefined ? undefined : `next in ${span(fallback.nextInMs)}`,
          ),
      ],
      ["Under way", operation ? joined(operation.kind, operation.step, operation.eimId) : "nothing"],
      ["To deliver", `${pending.notifications} notifications, ${pending.packageResults} results`],
      ["Audit head", String(audit.seq)],
    ]),
  );
}

function alarm({ code, message, next, ref }) {
  return el(
    "div",
    { class: "alarm" },
    el("p", {}, el("code", {}, code), ` ${message}`),
    next ? el("p", {}, el("strong", {}, "Next: "), next) : [],
    ref ? el("small", {}, `trace ${ref}`) : [],
  );
}

function profile(one) {
  const enabled = one.state === "enabled";
  return el(
    "div",
    { class: "item" },
    el(
      "div",
      { class: "head" },
      el("h3", {}, one.nickname || one.name || one.serviceProvider || "unnamed"),
      chip(one.state, enabled ? "good" : ""),
    ),
    el("p", {}, el("code", {}, one.iccid)),
    el("p", { class: "soft" }, joined(one.name, one.serviceProvider, one.profileClass, one.fallbackAttribute ? "fallback" : undefined)),
  );
}

// ---- roaming and usage ----

/** A bar of used over limit, or over the last mark where no limit is known; every mark is also said in words. */
function bar(label, used, limit, tone, marks) {
  const of = Math.max(limit ?? Math.max(0, ...marks.filter(Number.isFinite)), used, 1);
  const percent = (value) => `${Math.min(100, (value / of) * 100)}%`;
  return draw(
    "svg",
    { role: "img", "aria-label": label, height: 16 },
    draw("rect", { class: "track", y: 3, width: "100%", height: 10, rx: 5 }),
    used > 0 ? draw("rect", { class: tone, y: 3, width: percent(used), height: 10, rx: 5 }) : [],
    marks
      .filter((mark) => typeof mark === "number" && mark <= of)
      .map((mark) => draw("line", { class: "mark", x1: percent(mark), x2: percent(mark), y1: 0, y2: 16 })),
  );
}

export function showRoaming(report) {
  show("roaming", report, () => {
    const where =
      report.country === undefined
        ? "Country not known yet."
        : report.local
          ? `At home in ${report.country}.`
          : `In ${report.country}, subscription of ${report.home ?? "an unknown country"}.`;
    const clock = report.certain ? "" : " The clock is not believed, so days are not certain.";
    const rows = report.standings.map((standing) => {
      const { rule, level, used, limit, daysLeft, warnAt, actAt, kind } = standing;
      const what = `${kind === "roaming_months" ? "month" : "day"}${(limit ?? used) === 1 ? "" : "s"}`;
      const amount = limit === undefined ? `${used} ${what}, no limit known` : `${used} of ${limit} ${what}`;
      const marks = joined(warnAt && `warns at ${warnAt}`, actAt && `acts at ${actAt}`);
      const tone = { ok: "ok", warn: "warning" }[level] ?? "act";
      return el(
        "div",
        { class: "item" },
        el("div", { class: "head" }, el("h3", {}, rule), chip(level, tones[level])),
        bar(joined(`${rule}: ${amount}, ${level}`, marks), used, limit, tone, [warnAt, actAt]),
        el(
          "p",
          { class: "soft" },
          joined(
            amount,
            daysLeft === undefined ? undefined : `${daysLeft} days left`,
            marks,
            standing.uncertain ? "uncertain" : undefined,
            `counted by ${standing.key}`,
          ),
        ),
        el("p", {}, standing.words),
      );
    });
    return [el("p", {}, where + clock), ...(rows.length === 0 ? [soft("No rule applies here.")] : rows)];
  });
}

export function showUsage({ ok, body }) {
  show("usage", body, () => {
    if (!ok) return refusal("The data usage is not shown", body);
    const caps = body.caps.map((cap) => {
      const text = `${bytes(cap.usedBytes)} of ${bytes(cap.limitBytes)}`;
      return el(
        "div",
        { class: "item" },
        el("div", { class: "head" }, el("h3", {}, `Cap: ${cap.cap}`), chip(cap.state, tones[cap.state])),
        bar(
          `Cap ${cap.cap}: ${text} used, ${cap.state}`,
          cap.usedBytes,
          cap.limitBytes,
          { ok: "ok", warn: "warning" }[cap.state] ?? "act",
          [],
        ),
        el(
          "p",
          { class: "soft" },
          joined(
            text,
            `then ${cap.action}`,
            cap.forecastBytes === undefined ? undefined : `forecast ${bytes(cap.forecastBytes)}`,
            cap.reachedOn && `reached on ${cap.reachedOn}`,
            cap.ordered ? "limit by order" : undefined,
          ),
        ),
      );
    });
    return [
      el("p", {}, `${body.period.words}: fleet ${bytes(body.fleetBytes)}, management ${bytes(body.managementBytes)}.`),
      ...(caps.length === 0 ? [soft("No cap holds.")] : caps),
    ];
  });
}

export function showDays({ ok, body }) {
  show("days", body, () => {
    if (!ok || !Array.isArray(body)) return [];
    const byDate = new Map();
    for (const row of body) {
      const day = byDate.get(row.date) ?? { date: row.date, fleet: 0, management: 0, certain: true };
      day[row.party === "management" ? "management" : "fleet"] += row.sentBytes + row.receivedBytes;
      day.certain &&= row.certain;
      byDate.set(row.date, day);
    }
    const days = [...byDate.values()].sort((a, b) => a.date.localeCompare(b.date)).slice(-31);
    if (days.length === 0) return soft("No day has been counted yet.");
    const most = Math.max(1, ...days.map((day) => day.fleet + day.management));
    const height = 110;
    const step = 100 / Math.max(days.length, 7);
    const bars = days.flatMap((day, i) => {
      const [fleet, management] = [(day.fleet / most) * height, (day.management / most) * height];
      const place = (party, y, h) =>
        draw("rect", {
          class: `${party}${day.certain ? "" : " doubt"}`,
          x: `${i * step + step * 0.1}%`,
          width: `${step * 0.8}%`,
          y,
          height: h,
        });
      return [place("fleet", 18 + height - fleet, fleet), place("management", 18 + height - fleet - management, management)];
    });
    const [first, last] = [days[0], days[days.length - 1]];
    const label = `Data of ${days.length} days, ${first.date} to ${last.date}, at most ${bytes(most)} a day; the figures follow as a list.`;
    return [
      draw(
        "svg",
        { role: "img", "aria-label": label, height: 150 },
        draw("text", { class: "soft", x: 0, y: 11 }, bytes(most)),
        draw("line", { class: "rule", x1: 0, x2: "100%", y1: 17, y2: 17 }),
        bars,
        draw("line", { class: "rule", x1: 0, x2: "100%", y1: 128, y2: 128 }),
        draw("text", { class: "soft", x: 0, y: 144 }, first.date),
        draw("text", { class: "soft", x: `${days.length * step}%`, y: 144, "text-anchor": "end" }, days.length > 6 ? last.date : ""),
      ),
      el(
        "p",
        { class: "soft" },
        el("span", { class: "key fleet" }),
        "fleet",
        el("span", { class: "key management" }),
        "management",
        days.every((day) => day.certain) ? "" : "; paler: the day is not certain",
      ),
      el(
        "details",
        {},
        el("summary", {}, "Day by day"),
        table(
          days.map((day) => [
            day.date,
            `${bytes(day.fleet)} fleet, ${bytes(day.management)} management${day.certain ? "" : ", day not certain"}`,
          ]),
        ),
      ),
    ];
  });
}

export function refusal(what, body) {
  const error = body?.error ?? {};
  return [
    el("p", {}, chip("not shown", "warn"), ` ${what}: ${typeof error === "string" ? error : joined(error.code, error.message)}`),
    error.next ? soft(`Next: ${error.next}`) : "",
  ];
}
