/** One's own tokens, with which programs act for oneself. */
import { useState } from "react";
import { deleteToken, makeToken, tokens } from "../../api/admin";
import type { Api } from "../../api/client";
import { IconButton } from "../Icon";
import { Field, Form } from "../server/Form";
import { useLoaded } from "../server/use_loaded";
import { ShownOnce } from "./ShownOnce";
import "./people.css";

export function Tokens({ api }: { api: Api }) {
  const { value, reload } = useLoaded(() => tokens(api), [api]);
  const [made, setMade] = useState<string | null>(null);
  return (
    <section>
      <h3>Tokens for programs</h3>
      <ul className="tokens">
        {value?.map(({ id, label, created_at }) => (
          <li key={id}>
            <span>
              {label}{" "}
              <span className="soft">{new Date(1000 * created_at).toLocaleDateString()}</span>
            </span>
            <IconButton
              icon="trash"
              label={`Take ${label} out of force`}
              onClick={() => void deleteToken(api, id).finally(reload)}
            />
          </li>
        ))}
      </ul>
      {made ? (
        <ShownOnce text={made} name="token" />
      ) : (
        <Form
          label="Make a token"
          onSend={async ({ label }) => {
            setMade(await makeToken(api, label!));
            reload();
          }}
        >
          <Field label="What it is for" name="label" maxLength={100} />
        </Form>
      )}
    </section>
  );
}
