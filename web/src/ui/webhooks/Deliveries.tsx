/** What a webhook was told lately, and how it answered; asked for when it is opened. */
import { useState } from "react";
import type { Api } from "../../api/client";
import { type Delivery, type Webhook, deliveries } from "../../api/webhooks";
import { useLoaded } from "../server/use_loaded";

interface Props {
  readonly api: Api;
  readonly project: number;
  readonly webhook: Webhook;
}

export function Deliveries(props: Props) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <details onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>Last answers</summary>
      {isOpen && <DeliveryTable {...props} />}
    </details>
  );
}

function DeliveryTable({ api, project, webhook }: Props) {
  const { value, problem, reload } = useLoaded(
    () => deliveries(api, project, webhook.id),
    [api, project, webhook.id],
  );
  if (problem)
    return (
      <p className="problem" role="alert">
        {problem}
      </p>
    );
  if (!value) return null;
  return (
    <>
      {value.length === 0 ? (
        <p className="soft">Nothing has happened yet.</p>
      ) : (
        <table className="deliveries">
          <caption className="visually-hidden">What {webhook.url} was told</caption>
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">What</th>
              <th scope="col">Answer</th>
            </tr>
          </thead>
          <tbody>
            {value.map((delivery) => (
              <tr key={delivery.id}>
                <td>{new Date(1000 * delivery.created_at).toLocaleString()}</td>
                <td>{delivery.event}</td>
                <td>{answerOf(delivery)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <button type="button" onClick={reload}>
        Look again
      </button>
    </>
  );
}

function answerOf({ answer, attempts, next_at }: Delivery): string {
  if (!attempts) return "on its way";
  const next =
    next_at === null ? [] : [`again at ${new Date(1000 * next_at).toLocaleTimeString()}`];
  return [answer, ...(attempts > 1 ? [`${attempts} attempts`] : []), ...next].join(" · ");
}
