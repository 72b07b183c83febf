/** One's own settings and account: a new password, and the way out. */
import { type Api } from "../../api/client";
import type { Session } from "../../api/wire";
import type { Settings } from "../settings";
import { Dialog } from "./Dialog";
import { Field, Form } from "./Form";

interface Props {
  readonly api: Api;
  readonly session: Session;
  readonly hasAccounts: boolean;
  readonly settings: Settings;
  readonly onSettings: (values: Partial<Settings>) => void;
  readonly onClose: () => void;
  readonly onLoggedOut: () => void;
}

export function AccountDialog(props: Props) {
  const { api, session, hasAccounts, settings, onSettings, onClose, onLoggedOut } = props;
  const { name, role } = session.user;
  return (
    <Dialog title={hasAccounts ? `${name}, ${role}` : "Settings"} onClose={onClose}>
      <label className="check">
        <input
          type="checkbox"
          checked={settings.hasNudge}
          onChange={(event) => onSettings({ hasNudge: event.target.checked })}
        />
        Tell me after 30 seconds on one object
      </label>
      {hasAccounts && (
        <>
          <button type="button" onClick={() => void api.logOut().then(onLoggedOut, onLoggedOut)}>
            Log out
          </button>
          <h3>New password</h3>
          <Form
            label="Change it and log out everywhere"
            onSend={async ({ password, next }) => {
              await api.changePassword(password!, next!);
              onLoggedOut();
            }}
          >
            <Field
              label="Present password"
              name="password"
              type="password"
              autoComplete="current-password"
            />
            <Field label="New password" name="next" type="password" autoComplete="new-password" />
          </Form>
        </>
      )}
    </Dialog>
  );
}
