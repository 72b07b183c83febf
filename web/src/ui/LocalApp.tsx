/** Without a server: opens pictures, remembers them, and shows the studio for the one that is open. */
import { useCallback, useEffect, useState } from "react";
import { Picture } from "../canvas/picture";
import { type Document, newDocument } from "../core/document";
import { Journal, type KeptPicture, contentHash, fromKept } from "../storage/journal";
import { StartScreen } from "./StartScreen";
import { Studio, type StudioProps } from "./Studio";
import { useSettings } from "./settings";
import { useKeptWork } from "./use_kept_work";
import { useModel } from "./use_model";

interface Open {
  readonly kept: KeptPicture;
  readonly picture: Picture;
  readonly document: Document;
}

export function LocalApp() {
  const [settings, setSettings] = useSettings();
  const model = useModel(new URL("model", document.baseURI).href);
  const [journal, setJournal] = useState<Journal | null>(null);
  const [pictures, setPictures] = useState<readonly KeptPicture[] | null>(null);
  const [open, setOpen] = useState<Open | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const { description } = model.status;

  const openPicture = useCallback(
    async (kept: KeptPicture) => {
      if (!journal || !description) return;
      const picture = await Picture.decode(kept.file).catch(() => null);
      if (!picture)
        return setProblem(
          `${kept.name} is no picture that this browser can read. Try a JPEG or PNG.`,
        );
      model.open(await picture.copy());
      const { width, height } = picture.size;
      const frame = { originalSize: [height, width] as const, imageSize: description.image_size };
      const document = newDocument(frame, description.mask_threshold);
      const work = await journal.work(kept.hash);
      location.hash = kept.hash;
      setProblem(null);
      setOpen({
        kept,
        picture,
        document: work ? { ...document, sheet: fromKept(work) } : document,
      });
    },
    [journal, description],
  );

  const openFile = async (file: File) => {
    if (!journal) return;
    const kept = { hash: await contentHash(file), name: file.name, file, openedAt: Date.now() };
    await journal.keepPicture(kept);
    await openPicture(kept);
  };

  useEffect(() => {
    Journal.open().then(setJournal, () =>
      setProblem(
        "This browser does not let the page keep its work. Leave private browsing and reload.",
      ),
    );
  }, []);

  useEffect(() => {
    if (!journal || open) return;
    void journal.pictures().then(setPictures);
  }, [journal, open]);

  // After a reload the same picture is opened again.
  useEffect(() => {
    if (!journal || !description || open) return;
    void journal.picture(location.hash.slice(1)).then((kept) => kept && openPicture(kept));
  }, [journal, description]);

  if (!open || !journal)
    return (
      <StartScreen
        status={model.status}
        pictures={pictures ?? []}
        problem={problem}
        settings={settings}
        onSettings={setSettings}
        onFile={openFile}
        onOpen={openPicture}
        onForget={async ({ hash }) => {
          await journal?.forget(hash);
          setPictures((all) => all?.filter((kept) => kept.hash !== hash) ?? null);
        }}
      />
    );
  return (
    <KeptStudio
      key={open.kept.hash}
      start={open.document}
      picture={open.picture}
      kept={open.kept}
      journal={journal}
      model={model}
      settings={settings}
      onSettings={setSettings}
      onClose={() => {
        open.picture.close();
        history.replaceState(null, "", location.pathname + location.search);
        setOpen(null);
      }}
    />
  );
}

type KeptStudioProps = Omit<StudioProps, "fileName" | "saving" | "onSheet"> & {
  readonly kept: KeptPicture;
  readonly journal: Journal;
};

/** The studio with its work kept in the browser. */
function KeptStudio({ kept, journal, ...props }: KeptStudioProps) {
  const [saving, keep] = useKeptWork(journal, kept.hash, props.start.sheet);
  return <Studio {...props} fileName={kept.name} saving={saving} onSheet={keep} />;
}
