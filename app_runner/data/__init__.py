"""Data that plugins read and write: entities, what is known of attributes, archives.

Plain Python over open files; opens no URL and knows no app.
"""
