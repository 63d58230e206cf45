// The form at the end of a review's page: a name, a decision, a comment, and a file to send back.
// Nothing is sent anywhere.

function startForm() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("decision");
  const said = document.getElementById("said");
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = new FormData(form);
    const by = given.get("by").trim();
    const because = given.get("because").trim();
    if (!by) {
      said.textContent = "Your name is missing.";
      document.getElementById("by").focus();
      return;
    }
    if (given.get("decision") === "refuse" && !because) {
      said.textContent = "A refusal needs a reason.";
      document.getElementById("because").focus();
      return;
    }
    const file = { ...data, decision: given.get("decision"), by, because, at: new Date().toISOString() };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(file, null, 2)], { type: "application/json" }));
    link.download = `${data.review}.answer.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    said.textContent = `Saved as ${link.download}: send it to whoever asked you.`;
  });
}

startForm();
