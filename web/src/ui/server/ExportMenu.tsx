/** The project's masks as files, in each format that the server writes. */
import { useState } from "react";
import type { Api, ExportChoices } from "../../api/client";
import type { User } from "../../api/wire";
import { Icon } from "../Icon";
import { Dialog } from "./Dialog";
import { useLoaded } from "./use_loaded";

interface Props {
  readonly api: Api;
  readonly user: User;
  readonly project: number;
}

export function ExportMenu(props: Props) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <>
      <button type="button" onClick={() => setIsOpen(true)}>
        <Icon name="download" /> Export
      </button>
      {isOpen && <ExportDialog {...props} onClose={() => setIsOpen(false)} />}
    </>
  );
}

const NOTHING_CHOSEN: ExportChoices = {
  isAccepted: false,
  isWithPictures: false,
  isWithMetadata: false,
};

function ExportDialog({ api, user, project, onClose }: Props & { onClose: () => void }) {
  const { value: formats, problem } = useLoaded(() => api.formats(), [api]);
  const [chosen, setChosen] = useState(NOTHING_CHOSEN);
  const box = (key: keyof ExportChoices, label: string) => (
    <label className="check">
      <input
        type="checkbox"
        checked={chosen[key]}
        onChange={(event) => setChosen({ ...chosen, [key]: event.target.checked })}
      />
      {label}
    </label>
  );
  return (
    <Dialog title="Export the masks" onClose={onClose}>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {box("isAccepted", "Accepted images only")}
      {box("isWithPictures", "With the pictures, faces and plates that are marked blurred")}
      {user.role === "admin" &&
        chosen.isWithPictures &&
        box("isWithMetadata", "As uploaded: where and when they were taken stays in them")}
      <ul className="formats">
        {formats?.map(({ name, title }) => (
          <li key={name}>
            <a className="button" href={api.exportUrl(project, name, chosen)} download>
              <Icon name="download" /> {title}
            </a>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
