/** For admins: who has an account, who may see which project, and what was changed. */
import { useState } from "react";
import { type Account, accounts, changeAccount } from "../../api/admin";
import type { Api } from "../../api/client";
import type { Role, User } from "../../api/wire";
import { Icon } from "../Icon";
import { useLoaded } from "../server/use_loaded";
import { AuditList } from "./AuditList";
import { InviteDialog } from "./InviteDialog";
import { ProjectAccess } from "./ProjectAccess";
import "./people.css";

const ROLES: readonly Role[] = ["annotator", "reviewer", "admin"];

export function PeopleScreen({ api, user }: { api: Api; user: User }) {
  const people = useLoaded(() => accounts(api), [api]);
  const [problem, setProblem] = useState<string | null>(null);
  /** Whom the open dialog invites: a new person, or somebody to a new password. */
  const [invited, setInvited] = useState<"new" | Account | null>(null);

  const change = (account: Account, body: { role?: Role; is_active?: boolean }) =>
    changeAccount(api, account.id, body)
      .then(
        () => setProblem(null),
        (error: Error) => setProblem(error.message),
      )
      .finally(people.reload);

  return (
    <>
      <div className="screen-head">
        <h1>People</h1>
        <button type="button" className="primary" onClick={() => setInvited("new")}>
          <Icon name="plus" /> Invite
        </button>
      </div>
      {(problem ?? people.problem) && (
        <p className="problem" role="alert">
          {problem ?? people.problem}
        </p>
      )}
      <table className="people">
        <caption className="visually-hidden">Accounts</caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Role</th>
            <th scope="col">
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {people.value?.map((account) => (
            <tr key={account.id} className={account.is_active ? "" : "switched-off"}>
              <th scope="row">
                {account.name}
                {account.id === user.id && <span className="soft"> (you)</span>}
                {!account.is_active && <span className="badge">switched off</span>}
              </th>
              <td>
                <select
                  aria-label={`Role of ${account.name}`}
                  value={account.role}
                  onChange={(event) => void change(account, { role: event.target.value as Role })}
                >
                  {ROLES.map((role) => (
                    <option key={role}>{role}</option>
                  ))}
                </select>
              </td>
              <td className="actions">
                <button
                  type="button"
                  aria-label={`New password for ${account.name}`}
                  onClick={() => setInvited(account)}
                >
                  New password
                </button>
                <button
                  type="button"
                  aria-label={`Switch ${account.is_active ? "off" : "on"} ${account.name}`}
                  onClick={() => void change(account, { is_active: !account.is_active })}
                >
                  Switch {account.is_active ? "off" : "on"}
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {people.value && <ProjectAccess api={api} people={people.value} />}
      <AuditList api={api} people={people.value ?? []} />
      {invited && (
        <InviteDialog
          api={api}
          account={invited === "new" ? null : invited}
          onClose={() => {
            setInvited(null);
            people.reload();
          }}
        />
      )}
    </>
  );
}
