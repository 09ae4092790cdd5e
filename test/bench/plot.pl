# Diagrams of a run: plot.pl FOLDER.
