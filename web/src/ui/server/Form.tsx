/** A form that sends itself once, and says what went wrong. */
import { type InputHTMLAttributes, type ReactNode, useState } from "react";

interface Props {
  readonly label: string;
  /** Gets the fields' texts by name; an error's text is shown. */
  readonly onSend: (values: Record<string, string>) => Promise<void>;
  readonly children: ReactNode;
}

export function Form({ label, onSend, children }: Props) {
  const [problem, setProblem] = useState<string | null>(null);
  const [isSending, setIsSending] = useState(false);
  return (
    <form
      className="form"
      aria-label={label}
      onSubmit={(event) => {
        event.preventDefault();
        const values: Record<string, string> = {};
        for (const [name, value] of new FormData(event.currentTarget)) values[name] = String(value);
        setIsSending(true);
        onSend(values)
          .then(
            () => setProblem(null),
            (error: Error) => setProblem(error.message),
          )
          .finally(() => setIsSending(false));
      }}
    >
      {children}
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" className="primary" disabled={isSending}>
        {label}
      </button>
    </form>
  );
}

export function Field({
  label,
  ...input
}: { label: string; name: string } & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <label className="field">
      {label}
      <input required {...input} />
    </label>
  );
}
