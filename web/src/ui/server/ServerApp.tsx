/** The studio of a server: who is here, and which screen. */
import { useEffect, useMemo, useState } from "react";
import { Api, ApiError } from "../../api/client";
import type { Mode, Session } from "../../api/wire";
import { DashboardScreen } from "../dashboard/DashboardScreen";
import { PeopleScreen } from "../people/PeopleScreen";
import { PrivacyScreen } from "../privacy/PrivacyScreen";
import { WebhooksScreen } from "../webhooks/WebhooksScreen";
import { useSettings } from "../settings";
import { Frame } from "./Frame";
import { ImagesScreen } from "./ImagesScreen";
import { LoginScreen } from "./LoginScreen";
import { ProjectsScreen } from "./ProjectsScreen";
import { WorkScreen } from "./WorkScreen";
import "./desk.css";
import { go, useRoute } from "./route";
import "./server.css";
import { useServerModel } from "./use_server_model";

export function ServerApp({ mode }: { mode: Mode & { server: true } }) {
  const [settings, setSettings] = useSettings();
  const [session, setSession] = useState<Session | null>(null);
  const [isKnown, setIsKnown] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const route = useRoute();
  const api = useMemo(
    () => new Api(new URL(".", document.baseURI).href, () => setSession(null)),
    [],
  );
  useEffect(() => {
    api
      .session()
      .then(setSession, (error: ApiError) => error.status !== 401 && setProblem(error.message))
      .finally(() => setIsKnown(true));
  }, [api]);
  const isNearWork = session !== null && "project" in route;
  const model = useServerModel(api, isNearWork);

  if (problem)
    return (
      <p className="notice" role="alert">
        {problem}
      </p>
    );
  if (!isKnown) return null;
  if (!session || route.screen === "invitation")
    return (
      <LoginScreen
        api={api}
        invitation={route.screen === "invitation" ? route.secret : null}
        hasProvider={mode.oidc}
        settings={settings}
        onSettings={setSettings}
        onSession={(begun) => {
          setSession(begun);
          if (route.screen === "invitation") go({ screen: "projects" }, true);
        }}
      />
    );
  if (route.screen === "work" || route.screen === "review")
    return (
      <WorkScreen
        api={api}
        user={session.user}
        route={route}
        leaseSeconds={mode.lease_seconds}
        model={model}
        settings={settings}
        onSettings={setSettings}
      />
    );
  return (
    <Frame
      api={api}
      session={session}
      hasAccounts={mode.auth}
      route={route}
      settings={settings}
      onSettings={setSettings}
      onLoggedOut={() => setSession(null)}
    >
      {route.screen === "images" ? (
        <ImagesScreen key={route.project} api={api} user={session.user} project={route.project} />
      ) : route.screen === "dashboard" ? (
        <DashboardScreen api={api} project={route.project} />
      ) : route.screen === "privacy" ? (
        <PrivacyScreen api={api} project={route.project} image={route.image} />
      ) : route.screen === "webhooks" ? (
        <WebhooksScreen key={route.project} api={api} project={route.project} />
      ) : route.screen === "people" ? (
        <PeopleScreen api={api} user={session.user} />
      ) : (
        <ProjectsScreen api={api} user={session.user} />
      )}
    </Frame>
  );
}
