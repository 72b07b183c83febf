/** The project's masks as files, in each format that the server writes. */
import { useState } from "react";
import type { Api } from "../../api/client";
import { Icon } from "../Icon";
import { Dialog } from "./Dialog";
import { useLoaded } from "./use_loaded";

interface Props {
  readonly api: Api;
  readonly project: number;
}

export function ExportMenu({ api, project }: Props) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <>
      <button type="button" onClick={() => setIsOpen(true)}>
        <Icon name="download" /> Export
      </button>
      {isOpen && <ExportDialog api={api} project={project} onClose={() => setIsOpen(false)} />}
    </>
  );
}

function ExportDialog({ api, project, onClose }: Props & { onClose: () => void }) {
  const { value: formats, problem } = useLoaded(() => api.formats(), [api]);
  const [isAccepted, setIsAccepted] = useState(false);
  const [isWithPictures, setIsWithPictures] = useState(false);
  return (
    <Dialog title="Export the masks" onClose={onClose}>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <label className="check">
        <input
          type="checkbox"
          checked={isAccepted}
          onChange={(event) => setIsAccepted(event.target.checked)}
        />
        Accepted images only
      </label>
      <label className="check">
        <input
          type="checkbox"
          checked={isWithPictures}
          onChange={(event) => setIsWithPictures(event.target.checked)}
        />
        With the pictures
      </label>
      <ul className="formats">
        {formats?.map(({ name, title }) => (
          <li key={name}>
            <a
              className="button"
              href={api.exportUrl(project, name, isWithPictures, isAccepted)}
              download
            >
              <Icon name="download" /> {title}
            </a>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
