// How a route is written down: typed by its own input; the table holds them all as one type.
import type { Route } from "./routes.ts";

export function route<I>(definition: Route<I>): Route {
  return definition as unknown as Route;
}
