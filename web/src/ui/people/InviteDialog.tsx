/** Makes an invitation and shows its link, once. */
import { useState } from "react";
import { type Account, invite } from "../../api/admin";
import type { Api } from "../../api/client";
import type { Role } from "../../api/wire";
import { Dialog } from "../server/Dialog";
import { Form } from "../server/Form";
import { hashOf } from "../server/route";
import { useLoaded } from "../server/use_loaded";
import { ShownOnce } from "./ShownOnce";

interface Props {
  readonly api: Api;
  /** Whose password is to be chosen anew; null to invite somebody new. */
  readonly account: Account | null;
  readonly onClose: () => void;
}

export function InviteDialog({ api, account, onClose }: Props) {
  const { value: projects } = useLoaded(() => api.projects(), [api]);
  const [chosen, setChosen] = useState<readonly number[]>([]);
  const [link, setLink] = useState<string | null>(null);
  const show = (secret: string) =>
    setLink(new URL(hashOf({ screen: "invitation", secret }), document.baseURI).href);
  const title = account ? `New password for ${account.name}` : "Invite somebody";
  if (link)
    return (
      <Dialog title={title} onClose={onClose}>
        <ShownOnce text={link} name="link" />
        <p className="soft">
          Send it to {account?.name ?? "the person"}. It works once, for some days, for whoever has
          it.
        </p>
      </Dialog>
    );
  if (account)
    return (
      <Dialog title={title} onClose={onClose}>
        <Form
          label="Make a link"
          onSend={async () =>
            show(await invite(api, { role: account.role, project_ids: [], user_id: account.id }))
          }
        >
          <p>
            Whoever opens the link chooses a new password for {account.name}. Until then the old one
            holds.
          </p>
        </Form>
      </Dialog>
    );
  const toggle = (id: number) =>
    setChosen((before) =>
      before.includes(id) ? before.filter((one) => one !== id) : [...before, id],
    );
  return (
    <Dialog title={title} onClose={onClose}>
      <Form
        label="Make a link"
        onSend={async ({ role }) =>
          show(await invite(api, { role: role as Role, project_ids: chosen }))
        }
      >
        <label className="field">
          Role
          <select name="role" defaultValue="annotator">
            <option value="annotator">annotator: draws masks</option>
            <option value="reviewer">reviewer: also accepts them and sees figures</option>
            <option value="admin">admin: everything</option>
          </select>
        </label>
        {projects && projects.length > 0 && (
          <fieldset className="choices">
            <legend>Projects to work on</legend>
            {projects.map(({ id, name }) => (
              <label key={id}>
                <input type="checkbox" checked={chosen.includes(id)} onChange={() => toggle(id)} />
                {name}
              </label>
            ))}
          </fieldset>
        )}
      </Form>
    </Dialog>
  );
}
