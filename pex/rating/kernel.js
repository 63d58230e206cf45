// The rating in a notebook: Python has the pairs and stores the ratings.

import { button, sanitised } from "../widgets/shared.js";
import { makeRating } from "./pair.js";

function renderRating({ model, el }) {
  const about = model.get("_begin");
  const view = makeRating(el, {
    ...about,
    keys: el,
    revealText: "Reveal",
    thanks: "",
    start: (rater) => model.send({ kind: "start", rater }),
    need: (turn) => model.send({ kind: "need", turn }),
    rate: (turn, said) => model.send({ kind: "rate", turn, ...said }),
    reveal: () => model.send({ kind: "reveal" }),
    drawEnd: (state) => (state.result ? [sanitised(state.result)] : [button("Reveal the variants", () => model.send({ kind: "reveal" }))]),
  });
  const onState = () => view.state(model.get("_state"));
  const onMessage = (message) => {
    if (message.kind === "turn") view.turn(message.turn, message.shown);
    else if (message.kind === "saved") view.saved(message.turn);
    else if (message.kind === "failed") view.failed(message.turn, message.text);
    else if (message.kind === "refused") view.refused(message.text);
  };
  model.on("change:_state", onState);
  model.on("msg:custom", onMessage);
  onState();
  return () => {
    model.off("change:_state", onState);
    model.off("msg:custom", onMessage);
  };
}

export default { render: renderRating };
