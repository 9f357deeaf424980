// The version, put in by the build; "dev" when run from source.
declare const SIMWARD_VERSION: string | undefined;
export const version: string = typeof SIMWARD_VERSION === "string" ? SIMWARD_VERSION : "dev";
