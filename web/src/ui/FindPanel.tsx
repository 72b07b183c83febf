/** Objects by words, where a model can find them: each is a suggestion until it is taken. */
import { type Ref, useRef, useState } from "react";
import type { Rle } from "../core/rle";
import { Icon, IconButton } from "./Icon";

/** What was found, best first. */
export interface Found {
  readonly mask: Rle;
  /** How well it fits the words; larger is better. */
  readonly score: number;
}

/** Instances of what the words name, best first; rejects with one line that says why not. */
export type FindText = (text: string) => Promise<readonly Found[]>;

/** What is found for a text and not taken yet. */
export interface Findings {
  readonly text: string;
  readonly found: readonly Found[];
}

interface Props {
  readonly findText: FindText;
  readonly findings: Findings | null;
  readonly onFindings: (findings: Findings | null) => void;
  /** The objects become the work's, under the name that was searched. */
  readonly onTake: (text: string, found: readonly Found[]) => void;
  readonly ref: Ref<HTMLInputElement>;
}

export function FindPanel({ findText, findings, onFindings, onTake, ref }: Props) {
  const [note, setNote] = useState("");
  const latest = useRef(0);

  const find = async (text: string) => {
    const number = ++latest.current;
    onFindings(null);
    if (!text) return setNote("");
    setNote("Looking…");
    try {
      const found = await findText(text);
      if (number !== latest.current) return;
      setNote(found.length ? "" : `No ${text} found.`);
      onFindings(found.length ? { text, found } : null);
    } catch (error) {
      if (number === latest.current)
        setNote(error instanceof Error ? error.message : String(error));
    }
  };

  const take = (taken: readonly Found[]) => {
    if (!findings) return;
    const left = findings.found.filter((each) => !taken.includes(each));
    onTake(findings.text, taken);
    onFindings(left.length ? { ...findings, found: left } : null);
  };

  return (
    <div className="find-panel" role="search">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const field = event.currentTarget.elements.namedItem("text") as HTMLInputElement;
          void find(field.value.trim());
        }}
      >
        <label title="Find by words">
          <Icon name="search" />
          <input
            ref={ref}
            name="text"
            type="text"
            placeholder="Find by words"
            aria-label="Find by words"
            autoComplete="off"
            maxLength={200}
          />
        </label>
        <button type="submit">Find</button>
      </form>
      <p role="status" className="find-note">
        {findings ? `${findings.found.length} × ${findings.text}` : note}
      </p>
      {findings && (
        <div className="find-results" role="group" aria-label={`Found: ${findings.text}`}>
          {findings.found.map((each, i) => (
            <button type="button" key={i} onClick={() => take([each])}>
              Take {i + 1} <small>{each.score.toFixed(2)}</small>
            </button>
          ))}
          <button type="button" className="primary" onClick={() => take(findings.found)}>
            Take all
          </button>
          <IconButton icon="close" label="Take none" onClick={() => onFindings(null)} />
        </div>
      )}
    </div>
  );
}
