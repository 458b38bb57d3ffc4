// StoryMotion's browser side: the folder is registered for help pages; what it shows grows here.
