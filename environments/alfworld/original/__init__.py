"""Two files of the original package that travel inside every generated game; see NOTICE.txt."""
