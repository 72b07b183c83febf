/** What admins changed lately. */
import { type Account, type AuditEntry, audit } from "../../api/admin";
import type { Api } from "../../api/client";
import { useLoaded } from "../server/use_loaded";

export function AuditList({ api, people }: { api: Api; people: readonly Account[] }) {
  const { value } = useLoaded(() => audit(api), [api, people]);
  const names = new Map(people.map(({ id, name }) => [id, name]));
  if (!value?.length) return null;
  return (
    <details className="audit">
      <summary>What admins changed</summary>
      <ul>
        {value.map((entry) => (
          <li key={entry.id}>
            <time>{new Date(1000 * entry.happened_at).toLocaleString()}</time>
            {names.get(entry.user_id)}: {entry.action}{" "}
            <span className="soft">{details(entry)}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function details({ data }: AuditEntry): string {
  return Object.entries(data)
    .filter(([, value]) => value !== null && value !== "" && String(value) !== "")
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${String(value)}`)
    .join(", ");
}
