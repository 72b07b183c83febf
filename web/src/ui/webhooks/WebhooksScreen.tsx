/** For admins: which addresses a project tells what happens in it, and what they answered. */
import { useState } from "react";
import type { Api } from "../../api/client";
import { type Webhook, addWebhook, deleteWebhook, webhooks } from "../../api/webhooks";
import { IconButton } from "../Icon";
import { ShownOnce } from "../people/ShownOnce";
import { Field, Form } from "../server/Form";
import { hashOf } from "../server/route";
import { useLoaded } from "../server/use_loaded";
import { Deliveries } from "./Deliveries";
import "../people/people.css";
import "./webhooks.css";

export function WebhooksScreen({ api, project: id }: { api: Api; project: number }) {
  const project = useLoaded(() => api.project(id), [api, id]);
  const hooks = useLoaded(() => webhooks(api, id), [api, id]);
  const [secret, setSecret] = useState<string | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const problem = failure ?? project.problem ?? hooks.problem;
  const remove = ({ id: hook }: Webhook) =>
    deleteWebhook(api, id, hook)
      .then(
        () => setFailure(null),
        (error: Error) => setFailure(error.message),
      )
      .finally(hooks.reload);
  return (
    <>
      <div className="screen-head">
        <h1>Webhooks of {project.value?.name ?? "…"}</h1>
        <a className="button" href={hashOf({ screen: "images", project: id })}>
          Images
        </a>
      </div>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <p className="soft">
        Each address gets a signed POST when an image is submitted or reviewed, again until it
        answers with success.
      </p>
      <ul className="webhooks" aria-label="Webhooks">
        {hooks.value?.map((hook) => (
          <li key={hook.id}>
            <div className="webhook-head">
              <strong>{hook.url}</strong>
              <span className="soft">
                since {new Date(1000 * hook.created_at).toLocaleDateString()}
              </span>
              <IconButton
                icon="trash"
                label={`Delete ${hook.url}`}
                onClick={() => void remove(hook)}
              />
            </div>
            <Deliveries api={api} project={id} webhook={hook} />
          </li>
        ))}
      </ul>
      {hooks.value?.length === 0 && <p className="soft">None yet.</p>}
      <section className="new-webhook" aria-labelledby="new-webhook">
        <h2 id="new-webhook">Another one</h2>
        {secret === null ? (
          <Form
            label="Add the webhook"
            onSend={async ({ url }) => {
              setSecret(await addWebhook(api, id, url!));
              hooks.reload();
            }}
          >
            <Field label="Address" name="url" type="url" placeholder="https://" maxLength={2000} />
          </Form>
        ) : (
          <>
            <p>With this secret the receiver checks who has signed.</p>
            <ShownOnce text={secret} name="secret" />
            <button type="button" onClick={() => setSecret(null)}>
              Done
            </button>
          </>
        )}
      </section>
    </>
  );
}
