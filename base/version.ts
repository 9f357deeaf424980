// What the build puts in: its version and its date; "dev" and a fixed date when run from source.
declare const SIMWARD_VERSION: string | undefined;
declare const SIMWARD_BUILD_MS: number | undefined;
export const version: string = typeof SIMWARD_VERSION === "string" ? SIMWARD_VERSION : "dev";
/** The day of the build, ms since the epoch: no true time lies before it. */
export const buildMs: number = typeof SIMWARD_BUILD_MS === "number" ? SIMWARD_BUILD_MS : Date.UTC(2026, 0, 1);
