/** Pictures and masks into a project: files or whole folders, chosen or dropped, and what failed. */
import { useRef, useState } from "react";
import type { Api } from "../../api/client";
import { Icon } from "../Icon";
import { useDrop } from "../use_drop";
import { droppedFiles } from "./dropped_files";

interface Props {
  readonly api: Api;
  readonly project: number;
  /** All of it has come. */
  readonly onAdded: () => void;
}

interface Upload {
  readonly total: number;
  readonly numDone: number;
  readonly failures: readonly string[];
}

const AT_ONCE = 2;
const POLL_MS = 500;
const ANNOTATIONS = /\.(zip|json|xml)$/i;

const isPicture = ({ name, type }: File) => type.startsWith("image/") && name[0] !== ".";

export function UploadArea({ api, project, onAdded }: Props) {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const [upload, setUpload] = useState<Upload | null>(null);
  const isBusy = upload !== null && upload.numDone < upload.total;

  /** What is wrong with each part that did not come in. */
  const sendOne = async (file: File): Promise<readonly string[]> => {
    if (isPicture(file)) {
      await api.addImage(project, file);
      return [];
    }
    let state = await api.addImport(project, file);
    while (state.status === "waiting" || state.status === "running") {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      state = await api.import(state.id);
    }
    return state.problems.map(({ text }) => text);
  };

  const send = async (chosen: readonly File[]) => {
    const pictures = chosen.filter(isPicture);
    const annotations = chosen.filter(({ name }) => ANNOTATIONS.test(name));
    const waiting = [...pictures];
    const numOthers = chosen.length - pictures.length - annotations.length;
    const failures = numOthers ? [`${numOthers} files are neither pictures nor annotations.`] : [];
    setUpload({ total: pictures.length + annotations.length, numDone: 0, failures });
    const take = async (file: File) => {
      const failed = await sendOne(file).catch((error: Error) => [error.message]);
      setUpload((before) => ({
        ...before!,
        numDone: before!.numDone + 1,
        failures: [...before!.failures, ...failed],
      }));
    };
    const work = async () => {
      for (let file = waiting.shift(); file; file = waiting.shift()) await take(file);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    for (const file of annotations) await take(file); // they may be about these pictures
    onAdded();
  };
  const choose = (input: HTMLInputElement) => {
    void send([...input.files!]);
    input.value = ""; // the same again is a change, too
  };
  const [isOver, dropTarget] = useDrop((data) => {
    if (!isBusy) void droppedFiles(data).then(send);
  });
  return (
    <section
      className={`upload ${isOver ? "upload-over" : ""}`}
      aria-label="Add pictures and masks"
      {...dropTarget}
    >
      <span className="soft">
        Drop pictures, folders, or annotations (ZIP, JSON, XML) here, or choose
      </span>
      <button type="button" disabled={isBusy} onClick={() => files.current!.click()}>
        <Icon name="image" /> files
      </button>
      <button type="button" disabled={isBusy} onClick={() => folder.current!.click()}>
        <Icon name="plus" /> a folder
      </button>
      <input
        ref={files}
        type="file"
        accept="image/*,.zip,.json,.xml"
        multiple
        hidden
        aria-label="Files"
        onChange={(event) => choose(event.target)}
      />
      <input
        ref={(input) => {
          folder.current = input;
          input?.toggleAttribute("webkitdirectory", true); // React does not know it
        }}
        type="file"
        hidden
        aria-label="Folder"
        onChange={(event) => choose(event.target)}
      />
      {upload && (
        <div className="upload-state" role="status">
          <progress value={upload.numDone} max={Math.max(1, upload.total)} />
          {upload.numDone} of {upload.total}
          {upload.failures.length > 0 && (
            <ul className="problem">
              {upload.failures.map((failure, i) => (
                <li key={i}>{failure}</li>
              ))}
            </ul>
          )}
        </div>
      )}
    </section>
  );
}
