/** The keys in force, for the hints of buttons. */
import { createContext, useContext } from "react";
import { type Bindings, type Command, keysOf } from "./shortcuts";

export const KeysContext = createContext<Bindings>({});

/** A function that gives the first key of a command, or undefined where it has none. */
export function useKeys(): (command: Command) => string | undefined {
  const bindings = useContext(KeysContext);
  return (command) => keysOf(command, bindings)[0];
}
