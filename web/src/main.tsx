import { createRoot } from "react-dom/client";
import { App } from "./ui/App";
import "./ui/styles/base.css";
import "./ui/styles/start.css";
import "./ui/styles/studio.css";
import "./ui/styles/panels.css";

createRoot(document.getElementById("root")!).render(<App />);
