/** The page finds out whether there is a server, and is its studio or one without. */
import { useEffect, useState } from "react";
import type { Mode } from "../api/wire";
import { LocalApp } from "./LocalApp";
import { ServerApp } from "./server/ServerApp";

export function App() {
  const [mode, setMode] = useState<Mode | null>(null);
  const [isLost, setIsLost] = useState(false);
  useEffect(() => {
    fetch(new URL("studio.json", document.baseURI), { cache: "no-cache" })
      .then((response) => response.json() as Promise<Mode>)
      .then(setMode, () => setIsLost(true));
  }, []);
  if (!window.isSecureContext)
    return (
      <p className="notice">
        Browsers run the studio only over https or on this machine (localhost).
      </p>
    );
  if (isLost)
    return (
      <p className="notice" role="alert">
        The server cannot be reached. Reload the page when it is back.
      </p>
    );
  if (!mode) return null;
  return mode.server ? <ServerApp mode={mode} /> : <LocalApp />;
}
