/** All projects that one may see, and for admins a form for new ones. */
import { useState } from "react";
import type { Api } from "../../api/client";
import type { User } from "../../api/wire";
import { Icon } from "../Icon";
import { Dialog } from "./Dialog";
import { Field, Form } from "./Form";
import { ProgressBar } from "./ProgressBar";
import { go, hashOf } from "./route";
import { useLoaded } from "./use_loaded";

export function ProjectsScreen({ api, user }: { api: Api; user: User }) {
  const { value: projects, problem } = useLoaded(() => api.projects(), [api]);
  const [isAdding, setIsAdding] = useState(false);
  return (
    <>
      <div className="screen-head">
        <h1>Projects</h1>
        {user.role === "admin" && (
          <button type="button" onClick={() => setIsAdding(true)}>
            <Icon name="plus" /> New project
          </button>
        )}
      </div>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {projects?.length === 0 && (
        <p className="soft">
          {user.role === "admin"
            ? "None yet. Make one, then add pictures to it."
            : "None yet. An admin makes them and lets you in."}
        </p>
      )}
      <ul className="projects">
        {projects?.map(({ id, name, guideline, progress }) => (
          <li key={id}>
            <a href={hashOf({ screen: "images", project: id })}>
              <h2>{name}</h2>
              {guideline && <p className="soft clipped">{guideline}</p>}
              <ProgressBar progress={progress} />
            </a>
          </li>
        ))}
      </ul>
      {isAdding && (
        <Dialog title="New project" onClose={() => setIsAdding(false)}>
          <Form
            label="Make it"
            onSend={async ({ name, guideline }) => {
              const { id } = await api.addProject(name!, guideline!);
              go({ screen: "images", project: id });
            }}
          >
            <Field label="Name" name="name" maxLength={100} autoFocus />
            <label className="field">
              What to annotate
              <textarea name="guideline" rows={5} maxLength={20000} />
            </label>
          </Form>
        </Dialog>
      )}
    </>
  );
}
