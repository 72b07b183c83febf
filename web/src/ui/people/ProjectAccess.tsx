/** Each project with its members, and how many people annotate each of its images. */
import { useState } from "react";
import { type Account, addMember, askAnnotators, members, removeMember } from "../../api/admin";
import type { Api } from "../../api/client";
import type { Project } from "../../api/wire";
import { Dialog } from "../server/Dialog";
import { Form } from "../server/Form";
import { useLoaded } from "../server/use_loaded";

const MOST_ANNOTATORS = 10;

interface Props {
  readonly api: Api;
  readonly people: readonly Account[];
}

export function ProjectAccess({ api, people }: Props) {
  const { value: projects } = useLoaded(() => api.projects(), [api]);
  const [open, setOpen] = useState<Project | null>(null);
  const [turn, setTurn] = useState(0);
  return (
    <section aria-labelledby="access">
      <h2 id="access">Projects</h2>
      <p className="soft">
        Annotators and reviewers see the projects they are members of; admins all.
      </p>
      <ul className="access">
        {projects?.map((project) => (
          <li key={`${project.id} ${turn}`}>
            <Members api={api} project={project} onOpen={() => setOpen(project)} />
          </li>
        ))}
      </ul>
      {open && (
        <AccessDialog
          api={api}
          people={people}
          project={open}
          onClose={() => {
            setOpen(null);
            setTurn(turn + 1);
          }}
        />
      )}
    </section>
  );
}

function Members(props: { api: Api; project: Project; onOpen: () => void }) {
  const { api, project, onOpen } = props;
  const { value } = useLoaded(() => members(api, project.id), [api, project.id]);
  const names = value?.map(({ name }) => name).join(", ");
  return (
    <>
      <strong>{project.name}</strong>
      <span className="soft">{names || (value ? "nobody yet" : "")}</span>
      <button type="button" aria-label={`Change ${project.name}`} onClick={onOpen}>
        Change
      </button>
    </>
  );
}

function AccessDialog(props: Props & { project: Project; onClose: () => void }) {
  const { api, people, project, onClose } = props;
  const { value, problem } = useLoaded(() => members(api, project.id), [api, project.id]);
  const { value: present } = useLoaded(() => api.project(project.id), [api, project.id]);
  /** Ticks that were changed here; shown at once, and taken back if the server refuses. */
  const [changed, setChanged] = useState<Readonly<Record<number, boolean>>>({});
  const [failure, setFailure] = useState<string | null>(null);
  const isMember = (id: number) => changed[id] ?? value?.some((one) => one.id === id) ?? false;
  const toggle = (id: number) => {
    const before = isMember(id);
    setChanged((all) => ({ ...all, [id]: !before }));
    (before ? removeMember : addMember)(api, project.id, id).then(
      () => setFailure(null),
      (error: Error) => {
        setChanged((all) => ({ ...all, [id]: before }));
        setFailure(error.message);
      },
    );
  };
  const fewest = present?.annotators_per_image ?? 1;
  return (
    <Dialog title={project.name} onClose={onClose}>
      <fieldset className="choices">
        <legend>Members</legend>
        {people
          .filter(({ role, is_active }) => role !== "admin" && is_active)
          .map(({ id, name, role }) => (
            <label key={id}>
              <input
                type="checkbox"
                checked={isMember(id)}
                disabled={!value}
                onChange={() => toggle(id)}
              />
              {name} <span className="soft">{role}</span>
            </label>
          ))}
      </fieldset>
      {(failure ?? problem) && (
        <p className="problem" role="alert">
          {failure ?? problem}
        </p>
      )}
      {present && (
        <Form
          label="Save"
          onSend={async ({ number }) => {
            await askAnnotators(api, project.id, Number(number));
            onClose();
          }}
        >
          <label className="field">
            People who annotate each image, each by themselves
            <input
              type="number"
              name="number"
              min={fewest}
              max={MOST_ANNOTATORS}
              defaultValue={fewest}
              required
            />
          </label>
          <p className="soft">Two or more tell how far people agree. It cannot become less.</p>
        </Form>
      )}
    </Dialog>
  );
}
