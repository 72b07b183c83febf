/** Logging in, or making one's account with an invitation. */
import type { Api } from "../../api/client";
import type { Session } from "../../api/wire";
import { ThemeButton } from "../ThemeButton";
import type { Settings } from "../settings";
import { Field, Form } from "./Form";

interface Props {
  readonly api: Api;
  /** The secret of an invitation. */
  readonly invitation: string | null;
  /** Whether one may log in at an identity provider, too. */
  readonly hasProvider: boolean;
  readonly settings: Settings;
  readonly onSettings: (values: Partial<Settings>) => void;
  readonly onSession: (session: Session) => void;
}

export function LoginScreen(props: Props) {
  const { api, invitation, hasProvider, settings, onSettings, onSession } = props;
  return (
    <main className="login">
      <div className="start-corner">
        <ThemeButton theme={settings.theme} onTheme={(theme) => onSettings({ theme })} />
      </div>
      <h1>
        <img src="./icon.svg" alt="" width="36" height="36" /> anymask studio
      </h1>
      {invitation === null ? (
        <Form
          label="Log in"
          onSend={async ({ name, password }) => onSession(await api.logIn(name!, password!))}
        >
          <Field label="Name" name="name" autoComplete="username" autoFocus />
          <Field label="Password" name="password" type="password" autoComplete="current-password" />
        </Form>
      ) : (
        <Form
          label="Accept the invitation"
          onSend={async ({ name, password }) =>
            onSession(await api.acceptInvitation(invitation, name!, password!))
          }
        >
          <p>You are invited to annotate here. Choose a name and a password.</p>
          <Field label="Name" name="name" autoComplete="username" autoFocus />
          <Field label="Password" name="password" type="password" autoComplete="new-password" />
        </Form>
      )}
      {hasProvider && (
        <a className="button" href={api.providerUrl(invitation)}>
          Use the account of your organisation
        </a>
      )}
    </main>
  );
}
