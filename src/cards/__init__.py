"""Cards: what a run has come to, as one page that opens anywhere; they never change a result."""
