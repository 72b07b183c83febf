/** A reviewer's part of the top bar: accept, with what was fixed here, or send back with a reason. */
import { useState } from "react";
import type { Api } from "../../api/client";
import type { Decision, StudioImage } from "../../api/wire";
import type { Sync } from "../../storage/sync";
import { Icon } from "../Icon";
import { Dialog } from "./Dialog";
import { Form } from "./Form";
import { go } from "./route";

interface Props {
  readonly api: Api;
  readonly image: StudioImage;
  readonly sync: Sync;
  /** Save all; whether that was possible. */
  readonly finish: () => Promise<boolean>;
}

export function ReviewBar({ api, image, sync, finish }: Props) {
  const [isRejecting, setIsRejecting] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const project = image.project_id;

  const decide = async (decision: Decision, reason = "") => {
    if (!(await finish())) return;
    const isFixed = decision === "accept" && sync.numSaved > 0;
    await api.review(image.id, isFixed ? "fix" : decision, reason);
    await sync.finish();
    const [next] = await api.images(project, { state: "submitted", after: image.id, limit: 1 });
    go(next ? { screen: "review", project, image: next.id } : { screen: "images", project });
  };
  return (
    <div className="group">
      {problem && (
        <span className="problem bar-problem" role="alert" title={problem}>
          {problem}
        </span>
      )}
      <button type="button" disabled={isBusy} onClick={() => setIsRejecting(true)}>
        <Icon name="undo" /> Send back
      </button>
      <button
        type="button"
        className="primary"
        disabled={isBusy}
        title="With the changes that you made here"
        onClick={() => {
          setIsBusy(true);
          decide("accept")
            .catch((error: Error) => setProblem(error.message))
            .finally(() => setIsBusy(false));
        }}
      >
        <Icon name="check" /> Accept
      </button>
      {isRejecting && (
        <Dialog title="Send back" onClose={() => setIsRejecting(false)}>
          <Form label="Send back" onSend={({ reason }) => decide("reject", reason)}>
            <label className="field">
              What to do better
              <textarea name="reason" rows={4} maxLength={2000} required autoFocus />
            </label>
          </Form>
        </Dialog>
      )}
    </div>
  );
}
