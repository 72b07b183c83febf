/** Around the screens that are no canvas: where one is, who one is, and the ways elsewhere. */
import { type ReactNode, useState } from "react";
import type { Api } from "../../api/client";
import type { Session } from "../../api/wire";
import { ThemeButton } from "../ThemeButton";
import type { Settings } from "../settings";
import { AccountDialog } from "./AccountDialog";
import { type Route, hashOf } from "./route";

interface Props {
  readonly api: Api;
  readonly session: Session;
  readonly hasAccounts: boolean;
  readonly route: Route;
  readonly settings: Settings;
  readonly onSettings: (values: Partial<Settings>) => void;
  readonly onLoggedOut: () => void;
  readonly children: ReactNode;
}

export function Frame(props: Props) {
  const { api, session, hasAccounts, route, settings, onSettings, onLoggedOut, children } = props;
  const [isAccountOpen, setIsAccountOpen] = useState(false);
  return (
    <div className="frame">
      <header className="frame-bar">
        <a className="frame-home" href={hashOf({ screen: "projects" })}>
          <img src="./icon.svg" alt="" width="24" height="24" /> anymask studio
        </a>
        <nav aria-label="Studio">
          <NavLink route={{ screen: "projects" }} present={route}>
            Projects
          </NavLink>
          {hasAccounts && session.user.role === "admin" && (
            <NavLink route={{ screen: "people" }} present={route}>
              People
            </NavLink>
          )}
        </nav>
        <ThemeButton theme={settings.theme} onTheme={(theme) => onSettings({ theme })} />
        <button type="button" onClick={() => setIsAccountOpen(true)}>
          {hasAccounts ? session.user.name : "Settings"}
        </button>
      </header>
      <main className="frame-main">{children}</main>
      {isAccountOpen && (
        <AccountDialog
          api={api}
          session={session}
          hasAccounts={hasAccounts}
          settings={settings}
          onSettings={onSettings}
          onClose={() => setIsAccountOpen(false)}
          onLoggedOut={onLoggedOut}
        />
      )}
    </div>
  );
}

function NavLink(props: { route: Route; present: Route; children: ReactNode }) {
  const isPresent = props.route.screen === props.present.screen;
  return (
    <a href={hashOf(props.route)} aria-current={isPresent ? "page" : undefined}>
      {props.children}
    </a>
  );
}
