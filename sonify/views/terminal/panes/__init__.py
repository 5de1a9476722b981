"""One file a pane: each is a pure function that draws a board onto a canvas."""
