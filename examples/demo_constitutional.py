"""Demo 2, constitutional: an agent that writes personal data and a credential into its prompts, and what
the rules say to each step. Nothing is called; the card number is the one every test uses.

    pip install exhibit
    export AUDITTRAIL_API_KEY=sk-at-...
    python demo_constitutional.py
"""

from demo_stage import MODEL, Stage


def main():
    stage = Stage("claims-agent", "Process the claim of my customer")
    card = "4111 1111 1111 1111"
    token = "ghp_" + "a1B2" * 9  # the shape of a credential, made here
    with stage.trace as trace:
        with trace.span("chain", "within the rules"):
            with trace.span("llm", "plan", model_id=MODEL) as call:
                stage.says(call, "Plan how to process a claim.", "1. Read it. 2. Check it. 3. Pay it.", 90, 24)
        with trace.span("chain", "against the rules"):
            with trace.span("llm", "leak a card", model_id=MODEL) as call:
                stage.says(call, f"Pay out to card {card}.", "The card is noted.", 60, 8)
            with trace.span("tool", "leak a credential") as span:
                span.record_input({"command": f"git clone https://{token}@git.example.com/claims"})
                stage.takes(0.1)
                span.record_output({"said": "cloned"})
        trace.set_summary("One step kept the rules, two did not.")
    stage.end()
    for span in stage.read()["spans"]:
        found = ", ".join(sorted({str(f.get("rule") or f.get("category")) for f in span["findings"]}))
        print(f"[RULE] {span['name']}: {span['verdict']}{f' ({found})' if found else ''}")


if __name__ == "__main__":
    main()
