// What a module keeps of the settings of its make: some until the next start, some for ever, some for ever but in force only from the next start.

/** start: in force from the next start on. session: gone with it. */
export type SettingEffect = "now" | "start" | "session";

export class VendorSettings {
  readonly #kept = new Map<string, string>();
  readonly #session = new Map<string, string>();
  /** Of those that wait for a start: what this one began with. */
  #began = new Map<string, string>();
  readonly #waiting = new Set<string>();

  /** What is in force. */
  get(name: string, factory: string): string {
    return this.#session.get(name) ?? (this.#waiting.has(name) ? this.#began.get(name) : this.#kept.get(name)) ?? factory;
  }

  /** What reads show: what will be in force after the next start at the latest. */
  stored(name: string, factory: string): string {
    return this.#session.get(name) ?? this.#kept.get(name) ?? factory;
  }

  set(name: string, value: string, effect: SettingEffect): void {
    if (effect === "session") this.#session.set(name, value);
    else this.#kept.set(name, value);
    if (effect === "start") this.#waiting.add(name);
    else this.#waiting.delete(name);
  }

  forget(name: string): void {
    this.#kept.delete(name);
    this.#session.delete(name);
  }

  /** The module starts. */
  started(): void {
    this.#session.clear();
    this.#waiting.clear();
    this.#began = new Map(this.#kept);
  }
}
